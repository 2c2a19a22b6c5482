"""The gateway, as a real nginx on loopback in front of services that say what they were asked.

Needs nginx with its JavaScript module (Debian: nginx libnginx-mod-http-js). `NGINX` names another program, and
`NGINX_JS_MODULE` another module.
"""

import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = pathlib.Path(__file__).parent
NGINX = os.environ.get("NGINX", "nginx")
SERVICES = ["order", "inventory", "shipping", "notification", "recommendation"]
MAX_BODY_BYTES = 256 * 1024


class Service(ThreadingHTTPServer):
    """A service that answers with what it was asked."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, name, address=("127.0.0.1", 0)):
        super().__init__(address, Handler)
        self.name = name
        self.may_go_on = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        name = self.server.name
        length = int(self.headers.get("Content-Length", 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            raise AssertionError("nginx has read the body before, so it knows the length")
        body = self.rfile.read(length)
        if self.path == "/api/openapi.json":
            return self.reply(200, description_of(name))
        if self.path == "/health/ready":
            return self.reply(200, readiness_of(name))
        if self.path.endswith("/stream"):
            return self.stream()
        if self.path.endswith("/busy"):
            return self.reply(503, {"type": "/problems/service-unavailable"}, {"Retry-After": "7"})
        asked = {"service": name, "method": self.command, "path": self.path, "body_bytes": len(body)}
        asked["headers"] = {key.lower(): value for key, value in self.headers.items()}
        self.reply(200, asked)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def reply(self, status, document, headers=None):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("X-Served-By", self.server.name)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def stream(self):
        """Two events; the second only when the test has seen the first."""
        self.send_response(200)
        self.send_header("X-Served-By", self.server.name)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"id: 1\ndata: first\n\n")
        self.wfile.flush()
        if self.server.may_go_on.wait(30):
            self.wfile.write(b"id: 2\ndata: second\n\n")
        self.close_connection = True

    def log_message(self, *_):
        pass


def description_of(name):
    """As large as the real ones: an answer that does not fit a small buffer must get through."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shop", "version": "1"},
        "paths": {f"/api/v1/{name}s": {"get": {"description": "x" * 100_000}}, "/health/live": {"get": {}}, "/metrics": {"get": {}}},
        "components": {"schemas": {"Problem": {}, name: {}}, "securitySchemes": {"operator": {}}},
    }


def readiness_of(name):
    checks = [{"name": check, "status": "ready"} for check in ("log", f"{name}.database")]
    return {"status": "ready", "checks": checks}


def routes_in_the_code():
    """What the services' handlers are declared for: service, method, path."""
    found = []
    for name in SERVICES:
        for file in sorted((HERE.parent.parent / "services" / name / "src").rglob("*.rs")):
            declared = re.findall(r'#\[(get|post|put|delete|patch)\("(/api/v1/[^"]+)"', file.read_text())
            found += [(name, method.upper(), path) for method, path in declared]
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def upstreams_at(ports, merged=("order", "inventory", "shipping")):
    """Stands in for upstreams.conf: services at `ports` instead of Docker's names."""
    lines = [f'map "" $services {{ default "{" ".join(merged)}"; }}']
    for name, port in ports.items():
        lines.append(f"upstream {name} {{ zone {name} 64k; server 127.0.0.1:{port} max_fails=0; keepalive 8; }}")
    return "\n".join(lines) + "\n"


class Gateway:
    """nginx with the files of this folder, but for `upstreams`, and on loopback."""

    def __init__(self, upstreams, writes="100r/s"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gateway-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        conf = self.folder / "conf"
        shutil.copytree(HERE, conf, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        main = (conf / "nginx.conf").read_text()
        main, replaced = re.subn(r"listen 8080 ", f"listen 127.0.0.1:{self.port} ", main)
        assert replaced == 1, "the one listener"
        main = main.replace("/usr/lib/nginx/modules/ngx_http_js_module.so", os.environ.get(
            "NGINX_JS_MODULE", "/usr/lib/nginx/modules/ngx_http_js_module.so"))
        main = main.replace("access_log /dev/stdout", f"access_log {self.folder}/access.log")
        (conf / "nginx.conf").write_text(main)
        (conf / "upstreams.conf").write_text(upstreams)
        limits = (conf / "limits.conf").read_text()
        assert "zone=writes:10m rate=100r/s;" in limits
        (conf / "limits.conf").write_text(limits.replace("rate=100r/s", f"rate={writes}"))
        command = [NGINX, "-p", f"{self.folder}/", "-c", str(conf / "nginx.conf"), "-e", "stderr"]
        self.errors = open(self.folder / "errors", "w+b")
        checked = subprocess.run([*command, "-t"], stderr=subprocess.PIPE, text=True)
        assert checked.returncode == 0, checked.stderr
        self.process = subprocess.Popen([*command, "-g", "daemon off;"], stderr=self.errors)
        self.wait()

    def wait(self):
        for _ in range(200):
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self.process.poll() is None, self.log()
                time.sleep(0.05)
        raise AssertionError(self.log())

    def log(self):
        return (self.folder / "errors").read_text()

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.errors.close()
        shutil.rmtree(self.folder)

    def ask(self, path, method="GET", body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response, text

    def raw(self, request):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), head.decode().lower(), body


class GatewayTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.services = {name: Service(name) for name in SERVICES}
        cls.gateway = Gateway(upstreams_at({name: service.port for name, service in cls.services.items()}))

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        for service in cls.services.values():
            service.shutdown()
            service.server_close()

    def assert_problem(self, status, slug, response, text):
        self.assertEqual(response.status, status, text)
        self.assertEqual(response.headers["Content-Type"], "application/problem+json")
        document = json.loads(text)
        self.assertEqual((document["type"], document["status"]), (f"/problems/{slug}", status))
        self.assertTrue(document["title"] and document["detail"])
        return document

    def test_every_call_of_the_contract_reaches_its_service(self):
        routes = {
            "order": ["/orders", "/orders?customer_id=ada", "/orders/7", "/orders/7/cancel", "/orders/7/timeline",
                      "/operations/dead-letters/order?limit=2", "/operations/dead-letters/order/3/redrive"],
            "inventory": ["/products", "/products?q=tea", "/products/TEA", "/products/TEA/stock", "/products/related",
                          "/products/A%2Frelated", "/operations/dead-letters/inventory"],
            "shipping": ["/shipments", "/shipments?order_id=7", "/shipments/7/dispatch", "/shipments/7/deliver",
                         "/operations/dead-letters/shipping/1"],
            "recommendation": ["/products/TEA/related", "/products/A%2FB/related?limit=3", "/recommendations?sku=TEA",
                               "/trending?window=1h", "/activity", "/operations/dead-letters/recommendation"],
            "notification": ["/notifications?order_id=7", "/webhooks", "/webhooks/7", "/customers/ada/preferences",
                             "/operations/dead-letters/notification"],
        }
        for service, paths in routes.items():
            for path in paths:
                for method in ("GET", "POST"):
                    with self.subTest(path=path, method=method):
                        response, text = self.gateway.ask(f"/api/v1{path}", method)
                        asked = json.loads(text)
                        self.assertEqual((response.status, asked["service"]), (200, service))
                        self.assertEqual((asked["method"], asked["path"]), (method, f"/api/v1{path}"))

    def test_every_route_in_the_code_reaches_the_service_that_has_it(self):
        self.services["order"].may_go_on.set()
        routes = routes_in_the_code()
        self.assertGreater(len(routes), 10)
        for service, method, path in routes:
            with self.subTest(service=service, route=f"{method} {path}"):
                response, _ = self.gateway.ask(re.sub(r"\{\w+\}", "x1", path), method)
                self.assertEqual((response.status, response.headers["X-Served-By"]), (200, service))

    def test_what_is_not_for_outsiders_is_not_found(self):
        paths = ["/metrics", "/%6detrics", "/api/../metrics", "/api/v1/orders/../../../metrics", "/registry/subjects",
                 "/merge/order/metrics", "/merge/order/health/ready", "/api/v1/operations/dead-letters/registry",
                 "/api/v1/customers/ada", "/api/v1/ordersx", "/api/v2/orders", "/nothing"]
        for path in paths:
            with self.subTest(path=path):
                self.assert_problem(404, "not-found", *self.gateway.ask(path))

    def test_a_body_of_256_kib_passes_and_a_larger_one_is_a_problem(self):
        response, text = self.gateway.ask("/api/v1/orders", "POST", b"x" * MAX_BODY_BYTES)
        self.assertEqual((response.status, json.loads(text)["body_bytes"]), (200, MAX_BODY_BYTES))
        large = b"x" * (MAX_BODY_BYTES + 1)
        self.assert_problem(413, "payload-too-large", *self.gateway.ask("/api/v1/orders", "POST", large))

    def test_a_body_of_unknown_length_is_limited_as_well(self):
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        head = b"POST /api/v1/orders HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        status, headers, body = self.gateway.raw(head + chunk * 5 + b"0\r\n\r\n")
        self.assertEqual(status, 413)
        self.assertIn("application/problem+json", headers)
        self.assertEqual(json.loads(body)["type"], "/problems/payload-too-large")
        status, _, body = self.gateway.raw(head + chunk * 4 + b"0\r\n\r\n")
        self.assertEqual(status, 200)

    def test_what_cannot_be_read_is_a_problem(self):
        close = b"Host: shop\r\nConnection: close\r\n"
        cases = {
            b"GET /api/v1/orders HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": (400, "bad-request"),
            b"GET /api/v1/orders HTTP/1.1\r\nConnection: close\r\n\r\n": (400, "bad-request"),
            b"TRACE /api/v1/orders HTTP/1.1\r\n" + close + b"\r\n": (405, "method-not-allowed"),
            b"GET /" + b"x" * 17_000 + b" HTTP/1.1\r\n" + close + b"\r\n": (414, "uri-too-long"),
            b"GET / HTTP/1.1\r\n" + close + b"X: " + b"x" * 17_000 + b"\r\n\r\n":
                (431, "request-header-fields-too-large"),
        }
        for request, (expected, slug) in cases.items():
            with self.subTest(slug=slug, request=request[:60]):
                status, headers, body = self.gateway.raw(request)
                self.assertEqual(status, expected)
                self.assertIn("application/problem+json", headers)
                document = json.loads(body)
                self.assertEqual((document["type"], document["status"]), (f"/problems/{slug}", expected))

    def test_headers_of_traces_and_requests_pass_through(self):
        sent = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b",
                "Idempotency-Key": "first", "Last-Event-ID": "3", "Authorization": "Bearer t", "X-Request-Id": "r-1"}
        response, text = self.gateway.ask("/api/v1/orders", "POST", b"{}", sent)
        got = json.loads(text)["headers"]
        for name, value in sent.items():
            self.assertEqual(got[name.lower()], value)
        self.assertEqual(response.headers["X-Request-Id"], "r-1")

    def test_a_request_without_a_usable_id_gets_one(self):
        for sent in ({}, {"X-Request-Id": 'x" evil'}, {"X-Request-Id": "x" * 65}):
            response, text = self.gateway.ask("/api/v1/orders", headers=sent)
            given = response.headers["X-Request-Id"]
            self.assertRegex(given, "^[0-9a-f]{32}$")
            self.assertEqual(json.loads(text)["headers"]["x-request-id"], given)

    def test_refusals_of_the_services_pass_untouched(self):
        response, text = self.gateway.ask("/api/v1/orders/busy")
        self.assertEqual((response.status, response.headers.get_all("Retry-After")), (503, ["7"]))
        self.assertEqual(json.loads(text), {"type": "/problems/service-unavailable"})

    def test_an_event_arrives_before_the_stream_ends(self):
        order = self.services["order"]
        order.may_go_on.clear()
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=20)
        connection.request("GET", "/api/v1/orders/7/stream")
        response = connection.getresponse()
        self.assertEqual(response.headers["Content-Type"], "text/event-stream")
        self.assertEqual([response.readline() for _ in range(3)], [b"id: 1\n", b"data: first\n", b"\n"])
        order.may_go_on.set()
        self.assertEqual(response.read(), b"id: 2\ndata: second\n\n")
        connection.close()

    def test_one_description_has_the_calls_of_all_services(self):
        response, text = self.gateway.ask("/api/openapi.json")
        self.assertEqual(response.status, 200)
        document = json.loads(text)
        self.assertEqual(list(document["paths"]), ["/api/v1/inventorys", "/api/v1/orders", "/api/v1/shippings",
                                                   "/health/live"])
        self.assertEqual(list(document["components"]["schemas"]), ["Problem", "inventory", "order", "shipping"])
        self.assertEqual(document["info"], {"title": "Shop", "version": "1"})

    def test_the_page_with_the_calls_is_found(self):
        for path in ("/", "/api/docs"):
            response, _ = self.gateway.ask(path)
            self.assertEqual(response.status, 307)
            self.assertTrue(response.headers["Location"].endswith("/api/docs/"))
        response, text = self.gateway.ask("/api/docs/swagger-ui.css")
        self.assertEqual((response.status, json.loads(text)["path"]), (200, "/api/docs/swagger-ui.css"))

    def test_readiness_is_that_of_all_services(self):
        response, text = self.gateway.ask("/health/ready")
        self.assertEqual(response.status, 200)
        names = [check["name"] for check in json.loads(text)["checks"]]
        self.assertEqual(names, ["order.log", "order.database", "inventory.log", "inventory.database",
                                 "shipping.log", "shipping.database"])
        response, text = self.gateway.ask("/health/live")
        self.assertEqual((response.status, json.loads(text)), (200, {"status": "live"}))

    def test_no_query_and_no_customer_is_logged(self):
        self.gateway.ask("/api/v1/orders?customer_id=grace-hopper")
        self.gateway.ask("/api/v1/customers/grace-hopper/preferences")
        lines = (self.gateway.folder / "access.log").read_text()
        self.assertNotIn("grace-hopper", lines)
        paths = [json.loads(line)["path"] for line in lines.splitlines()]
        self.assertIn("/api/v1/customers/-/preferences", paths)


class LimitsTest(unittest.TestCase):
    """A gateway of its own, because it uses up what one address may ask for."""

    def setUp(self):
        self.service = Service("order")
        # Slower than any machine: the burst is all that passes.
        self.gateway = Gateway(upstreams_at({name: self.service.port for name in SERVICES}), writes="1r/m")

    def tearDown(self):
        self.gateway.stop()
        self.service.shutdown()
        self.service.server_close()

    def test_who_writes_too_often_is_told_when_to_come_back_and_may_still_read(self):
        answers = [self.gateway.ask("/api/v1/orders/7", "DELETE") for _ in range(202)]
        self.assertEqual([response.status for response, _ in answers], [200] * 201 + [429])
        response, text = answers[-1]
        self.assertEqual(response.headers["Content-Type"], "application/problem+json")
        self.assertEqual(response.headers["Retry-After"], "1")
        document = json.loads(text)
        self.assertEqual((document["type"], document["retry_after"]), ("/problems/too-many-requests", 1))
        self.assertEqual(self.gateway.ask("/api/v1/orders/7")[0].status, 200)

    def test_streams_of_one_address_are_counted(self):
        held, statuses = [], []
        for _ in range(101):
            connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=30)
            connection.request("GET", "/api/v1/orders/7/stream")
            held.append((connection, connection.getresponse()))
            statuses.append(held[-1][1].status)
        self.assertEqual(statuses, [200] * 100 + [429])
        self.service.may_go_on.set()
        for connection, _ in held:
            connection.close()


class AbsentTest(unittest.TestCase):
    """Services that are not there."""

    def setUp(self):
        self.order = Service("order")
        self.nobody = free_port()
        ports = {name: self.nobody for name in SERVICES} | {"order": self.order.port}
        self.gateway = Gateway(upstreams_at(ports, merged=("order", "shipping")))

    def tearDown(self):
        self.gateway.stop()
        self.order.shutdown()
        self.order.server_close()

    def test_a_service_without_a_replica_is_a_problem_and_the_others_go_on(self):
        response, text = self.gateway.ask("/api/v1/shipments")
        self.assertEqual(response.status, 503, text)
        self.assertEqual(response.headers["Content-Type"], "application/problem+json")
        self.assertEqual(response.headers["Retry-After"], "1")
        self.assertEqual(json.loads(text)["type"], "/problems/service-unavailable")
        self.assertEqual(self.gateway.ask("/api/v1/orders")[0].status, 200)

    def test_readiness_and_the_description_name_who_is_missing(self):
        response, text = self.gateway.ask("/health/ready")
        self.assertEqual(response.status, 503)
        self.assertEqual(response.headers["Content-Type"], "application/json")
        missing = [check for check in json.loads(text)["checks"] if check["status"] != "ready"]
        self.assertEqual(missing, [{"name": "shipping", "status": "not-ready", "detail": "no replica answers"}])
        response, text = self.gateway.ask("/api/openapi.json")
        self.assertEqual(json.loads(text)["info"]["x-missing-services"], ["shipping"])


class NameServer(socketserver.ThreadingUDPServer):
    """Docker's name server: all replicas of a name, and nothing of a service that is not there (RFC 1035)."""

    daemon_threads = True

    def __init__(self, replicas):
        super().__init__(("127.0.0.1", 0), Asked)
        self.replicas = replicas
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Asked(socketserver.BaseRequestHandler):
    def handle(self):
        query, reply_to = self.request
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12:at + 5]
        addresses = self.server.replicas.get(".".join(labels), []) if query[at + 2] == 1 else []
        code = 0 if addresses else 3
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(addresses), 0, 0)
        # A pointer to the name in the question, an address, and a life of a second.
        answers = [struct.pack(">HHHIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton(address) for address in addresses]
        reply_to.sendto(head + question + b"".join(answers), self.client_address)


def nginx_version():
    shown = subprocess.run([NGINX, "-v"], stderr=subprocess.PIPE, text=True).stderr
    return tuple(int(part) for part in re.search(r"nginx/([0-9.]+)", shown).group(1).split("."))


@unittest.skipIf(nginx_version() < (1, 27, 3), "upstreams.conf needs nginx 1.27.3; docker-compose.yml has it")
class ReplicasTest(unittest.TestCase):
    """upstreams.conf itself, with names that are asked for."""

    def test_replicas_of_a_name_share_the_load_and_may_come_and_go(self):
        first = Service("first", ("127.0.0.2", 0))
        second = Service("second", ("127.0.0.3", first.port))
        names = NameServer({"order-service": ["127.0.0.2", "127.0.0.3"]})
        upstreams = (HERE / "upstreams.conf").read_text()
        upstreams = upstreams.replace("127.0.0.11 valid=5s", f"127.0.0.1:{names.server_address[1]} valid=1s")
        gateway = Gateway(upstreams.replace(":8080 ", f":{first.port} "))
        try:
            self.wait_for(gateway, {"first", "second"})
            names.replicas["order-service"] = ["127.0.0.3"]
            self.wait_for(gateway, {"second"})
            second.shutdown()
            second.server_close()
            names.replicas["order-service"] = ["127.0.0.2"]
            self.wait_for(gateway, {"first"})
            response, text = gateway.ask("/api/v1/notifications")
            self.assertEqual((response.status, json.loads(text)["status"]), (503, 503), "nobody has this name")
        finally:
            gateway.stop()
            for server in (first, names):
                server.shutdown()
                server.server_close()

    def wait_for(self, gateway, expected):
        """Until exactly these answer, as names are asked for again."""
        for _ in range(100):
            answers = [gateway.ask("/api/v1/orders") for _ in range(8)]
            found = {json.loads(text)["service"] for response, text in answers if response.status == 200}
            if found == expected and all(response.status == 200 for response, _ in answers):
                return
            time.sleep(0.1)
        self.fail(f"{found} answer, not {expected}: {gateway.log()}")


if __name__ == "__main__":
    unittest.main()
