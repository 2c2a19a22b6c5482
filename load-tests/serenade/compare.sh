#!/bin/bash
# Measures recommendations/s of the shop and of Serenade side by side: the same clicks learned, the same held-out
# sessions asked for, in turns on the same machine. Everything is on loopback and ends with this script.
#
#   load-tests/serenade/compare.sh SERVING TRAIN VALID
#
# SERVING is the binary `serving` of the crate serenade 0.3.1, TRAIN and VALID are its files of clicks. The shop is
# target/release/shop, or $SHOP. Needs wrk, curl, awk.
set -euo pipefail

serving=$(realpath "$1") train=$(realpath "$2") valid=$(realpath "$3")
here=$(dirname "$(realpath "$0")")
shop_program=$(realpath "${SHOP:-target/release/shop}")
shop=http://127.0.0.1:8391 serenade=http://127.0.0.1:8392
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$dir"' EXIT
cd "$dir"

# The prefixes of the held-out sessions: session, newest item, all items so far.
prefixes() {
  tail -n +2 "$valid" | sort -k1,1n -k3,3n | awk '
    $1 != session { session = $1; items = ""; n = 0 }
    { n++; items = items (n > 1 ? "," : "") $2; if (n > 50) sub(/^[^,]*,/, "", items); print session, $2, items }'
}

# Reports in JSON, 500 clicks each, as files reports.NAME/00000 and so on: of the clicks in standard input, the sessions
# renamed by the prefix NAME, `shift` seconds later.
reports() {
  mkdir "reports.$1"
  awk -v name="$1" -v shift="$2" '
    { file = sprintf("reports.%s/%05d", name, int((NR - 1) / 500)) }
    file != last { if (last) { print "]" > last; close(last) } printf "[" > file; last = file; comma = "" }
    { printf "%s{\"event_id\":\"%s-%d\",\"session_id\":\"%s-%s\",\"type\":\"viewed\",\"sku\":\"%s\",\"occurred_at\":\"%s\"}",
        comma, name, NR, name, $1, $2, strftime("%Y-%m-%dT%H:%M:%SZ", $3 + shift, 1) > file; comma = "," }
    END { print "]" > last }'
}

report() { curl -sS --fail -o "$dir/receipt" -H 'Content-Type: application/json' --data-binary "@$1" $shop/api/v1/activity; }

# Lists and stocks every item of the clicks.
stock() {
  tail -n +2 "$train" | cut -f2 | sort -u | awk -v shop=$shop -v q='\\"' '
    function call(method, path, body) {
      print "url = \"" shop "/api/v1/products/" $1 path "\"\nrequest = " method "\ndata = \"" body "\""
      print "header = \"Content-Type: application/json\"\nheader = \"Idempotency-Key: " $1 "\""
      print "output = /dev/null\nfail\nsilent\nshow-error\nnext" }
    { call("PUT", "", "{" q "name" q ":" q $1 q "," q "price" q ":{" q "amount_minor" q ":100," q "currency" q ":" q "EUR" q "}}")
      call("POST", "/stock", "{" q "delta" q ":1000," q "reason" q ":" q "delivery" q "}") }' > calls
  # A product is listed before it is stocked.
  for method in PUT POST; do
    awk -v RS='next\n' -v ORS='next\n' "/request = $method/" calls | sed '$d' > now
    curl --parallel --parallel-max 64 --no-progress-meter --config now
  done
}

start() {
  cat > serenade.toml <<END
config_type = "toml"
[server]
host = "127.0.0.1"
port = 8392
num_workers = $(nproc)
[log]
level = "info"
[data]
training_data_path = "$train"
[model]
m_most_recent_sessions = 1502
neighborhood_size_k = 288
max_items_in_session = 4
num_items_to_recommend = 21
idf_weighting = 2
[logic]
enable_business_logic = false
[hyperparam]
training_data_path = "none"
test_data_path = "none"
validation_data_path = "none"
num_iterations = 1
save_records = false
out_path = "none"
enable_business_logic = false
n_most_recent_sessions_range = [100, 2500]
neighborhood_size_k_range = [50, 1500]
last_items_in_session_range = [1, 20]
idf_weighting_range = [0, 5]
END
  "$serving" serenade.toml > serenade.log 2>&1 &
  serenade_pid=$!
  "$shop_program" --listen 127.0.0.1:8391 --data-dir data --no-demo-data > shop.log 2>&1 &
  shop_pid=$!
  for url in "$serenade/internal/prometheus" $shop/health/ready; do
    curl -sf --retry 100 --retry-delay 1 --retry-all-errors -o /dev/null "$url"
  done
}

# What is left to be learned, until it is nothing.
learned() {
  until curl -s $shop/metrics | grep -q 'shop_recommendation_lag{.*} 0$'; do sleep 2.1; done
}

ask() { # NAME SECONDS [PAUSE_MS]
  wrk -t2 -c16 -d"${2}s" -s "$here/sessions.lua" "${!1}" -- "$dir/$1.paths" ${3:-} | tail -1
}

# For so many seconds, 5,000 clicks/s.
learn() {
  local start_ms file due_ms=0 late_ms
  start_ms=$(date +%s%3N)
  for file in $(ls reports.new/* | head -$(($1 * 10))); do
    late_ms=$(($(date +%s%3N) - start_ms - due_ms))
    ((late_ms >= 0)) || sleep "$(printf '0.%03d' $((-late_ms)))"
    report "$file" && rm "$file"
    due_ms=$((due_ms + 100))
  done
  late_ms=$(($(date +%s%3N) - start_ms - due_ms))
  ((late_ms < 1000)) || echo "learning took $late_ms ms longer than it should" >&2
}

memory() { awk '/VmHWM/ { printf "%d MB\n", $2 / 1024 }' "/proc/$1/status"; }

prefixes | awk '{ print "/v1/recommend?user_consent=true&item_id=" $2 "&session_id=" $1 "-" }' > serenade.paths
prefixes | awk '{ print "/api/v1/recommendations?limit=21&recent=" $3 }' > shop.paths
start
stock
tail -n +2 "$train" | sort -s -k3,3n | reports old 0
for file in reports.old/*; do report "$file"; done
# The same once more, a month later, for the shop to learn while it answers.
tail -n +2 "$train" | sort -s -k3,3n | reports new $((86400 * 30))
learned
for name in serenade shop; do ask $name 3 > /dev/null; done
# In turns: the machine is not equally fast all the time.
{
  for round in 1 2 3; do
    echo "serenade:                      $(ask serenade 6)"
    echo "shop:                          $(ask shop 6)"
  done
  for round in 1 2 3; do
    echo "serenade:                      $(ask serenade 6)"
    learn 7 & learning=$!
    sleep 0.5
    echo "shop, learning 5,000 clicks/s: $(ask shop 6)"
    wait $learning
  done
} | tee rounds
# Each round of the shop by the one of Serenade before it.
awk -F': *| requests' '
  $1 == "serenade" { before = $2; next }
  { ours[$1] += $2; theirs[$1] += before }
  END { for (name in ours) printf "%s / serenade = %.2f\n", name, ours[name] / theirs[name] }' rounds
for name in serenade shop; do echo "$name, 1,000 requests/s:$(ask $name 8 16)"; done
echo "memory at most: serenade $(memory $serenade_pid), shop $(memory $shop_pid)"
