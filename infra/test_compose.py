"""What docker-compose.yml, its settings and its neighbours promise each other; no Docker is needed."""

import pathlib
import re
import stat
import subprocess
import tempfile
import unittest

import yaml

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
TEXT = (HERE / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name.endswith("-service")}
# Its image has nothing to ask it with.
WITHOUT_HEALTH_CHECK = {"jaeger"}


def environment(service):
    return service.get("environment", {})


def secret_names(service):
    return {secret if isinstance(secret, str) else secret["source"] for secret in service.get("secrets", [])}


def known_variables(name):
    """The variables in configuration.md, which a test compares with the code; a secret has a twin that names a file."""
    known = set()
    for section in (HERE / "configuration.md").read_text().split("\n## ")[1:]:
        title, _, table = section.partition("\n")
        if title.endswith("-service") and title != f"{name}-service":
            continue
        for variable, file in re.findall(r"^\| `(\w+)`( \(or `…_FILE`\))? \|", table, re.MULTILINE):
            known.add(variable)
            if file:
                known.add(variable + "_FILE")
    return known


def metrics_in_the_document():
    """The table in ARCHITECTURE.md: each metric with its labels."""
    section = (ROOT / "ARCHITECTURE.md").read_text().partition("\n## Metrics\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| \w+ \| ([^|]*) \|", section, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


class ComposeTest(unittest.TestCase):
    def test_every_container_is_hardened_and_bounded(self):
        for name, service in SERVICES.items():
            with self.subTest(service=name):
                self.assertTrue(service["read_only"])
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertIn("no-new-privileges:true", service["security_opt"])
                self.assertEqual(service["restart"], "unless-stopped")
                self.assertEqual(set(service["deploy"]["resources"]["limits"]), {"cpus", "memory", "pids"})
                self.assertIn("max-size", service["logging"]["options"])
                self.assertNotIn("privileged", service)

    def test_every_image_has_a_version(self):
        for name, service in SERVICES.items():
            with self.subTest(service=name):
                self.assertRegex(service["image"], r"^[\w./-]+:(?!latest$)[\w.${}:-]+$")

    def test_whoever_is_waited_for_says_when_it_is_healthy(self):
        for name, service in SERVICES.items():
            with self.subTest(service=name):
                if name not in WITHOUT_HEALTH_CHECK:
                    self.assertTrue("healthcheck" in service or "build" in service, "the Dockerfile has one")
                for other, wait in service.get("depends_on", {}).items():
                    self.assertIn(other, SERVICES)
                    if wait["condition"] == "service_healthy":
                        self.assertIn("healthcheck", SERVICES[other])

    def test_each_service_has_two_replicas_and_an_image_of_its_own(self):
        self.assertEqual(len(OURS), 5)
        for name, service in OURS.items():
            with self.subTest(service=name):
                self.assertEqual(service["deploy"]["replicas"], "${SHOP_REPLICAS:-2}")
                self.assertEqual(f"{service['build']['args']['SERVICE']}-service", name)
                self.assertTrue(service["image"].startswith(f"shop/{name}:"))
                self.assertNotIn("ports", service, "only the gateway is for outsiders")
                self.assertNotIn("container_name", service, "a name cannot be had twice")

    def test_published_ports_are_on_loopback_unless_asked_for(self):
        for name, service in SERVICES.items():
            with self.subTest(service=name):
                for port in service.get("ports", []):
                    self.assertTrue(port.startswith("${SHOP_ADDRESS:-127.0.0.1}:"), port)
                    self.assertIn("outside", service["networks"], "an internal network publishes nothing")

    def test_a_service_is_told_nothing_that_it_does_not_know(self):
        for name, service in OURS.items():
            with self.subTest(service=name):
                told = {variable for variable in environment(service) if variable.startswith("SHOP_")}
                self.assertEqual(told - known_variables(service["build"]["args"]["SERVICE"]), set())

    def test_no_secret_stands_in_the_file(self):
        for name, service in SERVICES.items():
            with self.subTest(service=name):
                for variable, value in environment(service).items():
                    if re.search(r"PASSWORD|TOKEN|SECRET|DATABASE(_FILE)?$|CREDENTIAL", variable):
                        self.assertRegex(str(value), r"^/run/secrets/", variable)
        self.assertNotRegex(TEXT, r"://[^/\s:]+:[^/\s@]+@")

    def test_every_secret_is_made_and_used(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder) / "secrets"
            make = [HERE / "make-secrets", folder]
            subprocess.run(make, check=True, capture_output=True)
            made = {file.name: file.read_text() for file in folder.iterdir()}
            self.assertEqual(made.keys(), COMPOSE["secrets"].keys())
            self.assertEqual(set().union(*map(secret_names, SERVICES.values())), made.keys())
            self.assertEqual(len(set(made.values())), len(made), "no two are the same")
            self.assertEqual(stat.S_IMODE(folder.stat().st_mode), 0o700)
            subprocess.run(make, check=True, capture_output=True)
            self.assertEqual({file.name: file.read_text() for file in folder.iterdir()}, made, "those there stay")

    def test_a_secret_that_is_named_is_mounted(self):
        for name, service in SERVICES.items():
            with self.subTest(service=name):
                mounted = secret_names(service) | {"registry.properties"}
                for value in environment(service).values():
                    named = re.fullmatch(r"/run/secrets/([\w.]+)", str(value))
                    if named:
                        self.assertIn(named.group(1), mounted)

    def test_every_setting_is_explained_in_the_example_and_used(self):
        example = set(re.findall(r"^([A-Z_]+)=", (HERE / ".env.example").read_text(), re.MULTILINE))
        used = set(re.findall(r"\$\{([A-Z_]+)", TEXT))
        self.assertEqual(example - {"COMPOSE_PROFILES"}, used)

    def test_what_is_mounted_is_there(self):
        for name, service in SERVICES.items():
            with self.subTest(service=name):
                for volume in service.get("volumes", []):
                    source = volume.split(":")[0]
                    if source.startswith("."):
                        self.assertTrue((HERE / source).exists(), source)
                        self.assertTrue(volume.endswith(":ro"), volume)
                    elif ":" in volume:
                        self.assertIn(source, COMPOSE["volumes"])

    def test_gateway_and_prometheus_know_the_services_by_their_names(self):
        upstreams = re.findall(r"server ([\w-]+):8080 ", (HERE / "gateway/upstreams.conf").read_text())
        self.assertEqual(sorted(upstreams), sorted(OURS))
        jobs = yaml.safe_load((HERE / "prometheus/prometheus.yml").read_text())["scrape_configs"]
        asked = {name: job["job_name"] for job in jobs for name in job["dns_sd_configs"][0]["names"]}
        self.assertEqual(asked, {name: name.removesuffix("-service") for name in OURS})

    def test_the_image_is_built_with_the_workspaces_rust(self):
        wanted = re.search(r'^rust-version = "([\d.]+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)
        self.assertIn(f"ARG RUST_VERSION={wanted}\n", (HERE / "Dockerfile").read_text())


class AlertsTest(unittest.TestCase):
    def test_every_alert_has_a_summary_a_test_and_a_section_of_the_runbook(self):
        rules = yaml.safe_load((HERE / "prometheus/alerts.yml").read_text())
        alerts = [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
        self.assertGreater(len(alerts), 10)
        sections = set(re.findall(r"^## (\w+)$", (HERE / "runbook.md").read_text(), re.MULTILINE))
        self.assertEqual(sections, {alert["alert"] for alert in alerts})
        tests = yaml.safe_load((HERE / "prometheus/alerts_test.yml").read_text())["tests"]
        fired = {test["alertname"] for case in tests for test in case["alert_rule_test"] if test["exp_alerts"]}
        self.assertEqual(fired, sections)
        for alert in alerts:
            self.assertTrue(alert["annotations"]["summary"])
            self.assertEqual(alert["annotations"]["runbook"], f"infra/runbook.md#{alert['alert'].lower()}")
            self.assertIn(alert["labels"]["severity"], {"page", "ticket"})

    def test_every_metric_that_is_asked_for_is_documented_with_its_labels(self):
        """The services' tests compare the document with what is exported."""
        documented = metrics_in_the_document()
        if not documented:
            self.skipTest("ARCHITECTURE.md has no table of metrics")
        for line in (HERE / "prometheus/metrics.txt").read_text().splitlines():
            name, labels, _ = line.split(" ")
            with self.subTest(metric=name):
                family = name if name in documented else re.sub(r"_(bucket|count|sum)$", "", name)
                self.assertIn(family, documented)
                self.assertEqual(set(labels.split(",")) - documented[family] - {"service", "-"}, set())

    def test_dashboards_ask_the_data_sources_that_there_are(self):
        sources = yaml.safe_load((HERE / "grafana/provisioning/datasources/shop.yml").read_text())["datasources"]
        uids = {source["uid"] for source in sources}
        boards = list((HERE / "grafana/dashboards").glob("*.json"))
        self.assertEqual(len(boards), 4)
        for board in boards:
            found = set(re.findall(r'"uid": "(\w+)"', board.read_text()))
            self.assertTrue(found <= uids, board.name)


if __name__ == "__main__":
    unittest.main()
