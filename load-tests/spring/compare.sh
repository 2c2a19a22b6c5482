#!/bin/bash
# Measures bursts of orders on the shop and on piomin/sample-spring-kafka-microservices in turns: the same Kafka, the
# same cores. Everything is on loopback and ends with this script.
#
#   load-tests/spring/compare.sh JARS [ORDERS [ROUNDS]]
#
# JARS is a folder with the sample's three jars as `mvn package` makes them, one a service. They run with $JAVA (java),
# which has to be 25. Needs curl, kcat, awk, jq.
set -euo pipefail

jars=$(realpath "$1") orders=${2:-20000} rounds=${3:-3}
java=${JAVA:-java} sample=127.0.0.1:8393
cargo build --release --quiet -p xtask -p shop -p load-tests
bin=$PWD/target/release
dir=$(mktemp -d)
# As root, PostgreSQL is started as another user.
chmod 711 "$dir"
infra() { "$bin/xtask" infra --data-dir "$dir/infra" "$@"; }
trap 'kill ${services[@]+"${services[@]}"} 2>/dev/null || true; wait; infra down --purge > "$dir/down.log"; rm -rf "$dir"' EXIT
infra up --kafka-port 0 --registry-port 0 --postgres-port 0
eval "$(infra args --env)"
export TEST_KAFKA TEST_REGISTRY TEST_POSTGRES TEST_INFRA

services=()
# start SERVICE READY ARGUMENTS...: returns when READY is in its log.
start() {
  local log="$dir/$1.log" ready=$2
  : > "$log"
  "$java" -jar "$jars/$1"-service-*.jar --spring.kafka.bootstrap-servers="$TEST_KAFKA" --spring.output.ansi.enabled=NEVER \
    "${@:3}" > "$log" 2>&1 &
  services+=($!)
  timeout 120 grep -q -m1 "$ready" <(tail -f -n +1 --pid=$! "$log") || { tail "$log" >&2; exit 1; }
}

# What curl is to call: so many cheap orders, nearly all of which the sample confirms.
calls() {
  awk -v orders="$orders" -v sample=$sample -v q='\\"' 'BEGIN {
    srand(1)
    for (n = 0; n < orders; n++) {
      if (n) print "next"
      print "url = \"http://" sample "/orders\"\nheader = \"Content-Type: application/json\"\noutput = /dev/null\nfail\nsilent\nshow-error"
      print "data = \"{" q "customerId" q ":" 1 + int(rand() * 100) "," q "productId" q ":" 1 + int(rand() * 1000) \
        "," q "productCount" q ":1," q "price" q ":1," q "status" q ":" q "NEW" q "}\""
    } }' > "$dir/calls"
}

# An order of the sample ends with its first record on `orders` that is not NEW; the stock and the money are taken after that.
sample_burst() {
  local kcat counting began took
  : > "$dir/kcat.log"
  exec 3< <(exec timeout 300 kcat -C -b "$TEST_KAFKA" -t orders -o end -u -f '%s\n' -X fetch.wait.max.ms=50 2> "$dir/kcat.log")
  kcat=$!
  grep -m"$orders" -c -v '"status":"NEW"' <&3 > "$dir/ended" &
  counting=$!
  until [ "$(grep -c 'Reached end' "$dir/kcat.log")" -ge 3 ]; do sleep 0.1; done
  began=$(date +%s%3N)
  curl --parallel --parallel-max 64 --no-progress-meter --config "$dir/calls"
  wait $counting || true
  took=$(($(date +%s%3N) - began))
  kill $kcat 2> /dev/null || true
  [ "$(cat "$dir/ended")" -eq "$orders" ] || { echo "only $(cat "$dir/ended") of $orders orders ended" >&2; exit 1; }
  echo $((orders * 1000 / took))
}

shop_burst() {
  "$bin/load-tests" checkout --spawn local --orders "$orders" --connections 256 --warm-up 3s --products 1000 \
    --json "$dir/run.json" > "$dir/run.log" 2>&1 || { tail "$dir/run.log" >&2; exit 1; }
  jq '.figures.sagas_per_s | round' "$dir/run.json"
}

calls
# The order service first: it makes the topics. The others read new records only.
start order 'State transition from REBALANCING to RUNNING' --server.port=${sample#*:} --spring.kafka.streams.state-dir="$dir/streams"
for service in payment stock; do start $service "$service: partitions assigned: .*orders-0.*orders-2"; done
theirs=$(sample_burst)
echo "the sample, cold: $theirs orders/s"
for ((round = 1; round <= rounds; round++)); do
  theirs=$(sample_burst)
  ours=$(shop_burst)
  echo "the sample: $theirs orders/s; the shop: $ours sagas/s"
done | tee "$dir/rounds"
awk -F'[: ]+' '{ sample += $3; shop += $7 } END { printf "the shop / the sample = %.2f\n", shop / sample }' "$dir/rounds"
echo "memory of the sample: $(awk '/VmHWM/ { sum += $2 } END { printf "%d MB", sum / 1024 }' $(printf "/proc/%s/status " "${services[@]}"))"
