"""Alert rules and the dashboard: they are well formed, alerts go off when they should, and each metric that they name
is one that a running server or service has."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest
import urllib.request

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import ADMIN, AUTH, ROOT, Case, Orders, Server, until

TOOLS = pathlib.Path(os.environ.get("TOOLS_DIR", ROOT / "build/tools/bin"))
RULES = yaml.safe_load((ROOT / "deploy/kubernetes/components/prometheus/alerts.yaml").read_text())["spec"]
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((ROOT / "deploy/grafana/watchword.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
# Served with the MySQL store only; tests/e2e/rolling_restart_test.py sees them there.
OF_MYSQL = {"watchword_store_pool_connections", "watchword_store_pool_waiting"}
NAME = re.compile(r"\b(?:watchword|process)_\w+")
LABELS = re.compile(r"\{([^{}]*)\}")


def promtool(*arguments, stdin="", folder=None):
    process = subprocess.run([str(TOOLS / "promtool"), *arguments], input=stdin, capture_output=True, text=True,
                             timeout=60, cwd=folder)
    return process.returncode, process.stdout + process.stderr


def gate_metrics():
    """What a service with a gate can export; each name is written out in the source."""
    return set(NAME.findall((ROOT / "interceptors/gate/gate_metrics.cc").read_text()))


class Metrics(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = cls.start_shared(Server, cls.shared_folder)
        server.validate(server.login()["credential"])
        server.grpc.call(AUTH + "Login", username="nobody", password="wrong-but-long-enough")
        server.grpc.call(ADMIN + "ListUsers", bearer=server.login()["credential"])
        cls.start_shared(Orders, server.address, server.service_account())

        def shows_the_verifier():
            with urllib.request.urlopen(f"http://127.0.0.1:{server.ops_port}/metrics") as answer:
                cls.text = answer.read().decode()
            return 'watchword_feed_verifier_lag_entries{verifier="orders"} 0' in cls.text
        until(shows_the_verifier)
        cls.served = {line.split("{")[0].split(" ")[0] for line in cls.text.splitlines() if not line.startswith("#")}

    def test_names_and_help_follow_the_conventions(self):
        self.assertEqual(promtool("check", "metrics", stdin=self.text), (0, ""))

    def test_every_metric_that_is_asked_for_exists(self):
        asked = {name for query in QUERIES + [alert["expr"] for alert in ALERTS] for name in NAME.findall(query)}
        self.assertLess({"watchword_rpcs_total", "watchword_gate_staleness_seconds"}, asked)
        self.assertEqual(asked - self.served - gate_metrics() - OF_MYSQL, set())

    def test_what_runs_and_how_long_it_takes_is_told(self):
        self.assertRegex(self.text, r'watchword_build_info\{commit="[^"]*",version="\d+\.\d+\.\d+"\} 1\n')
        for histogram in ('hash_duration_seconds_count', 'store_duration_seconds_count{operation="read"}',
                          'store_duration_seconds_count{operation="write"}'):
            self.assertGreater(int(self.text.split(f"watchword_{histogram} ")[1].split("\n")[0]), 0, histogram)

    def test_every_metric_is_on_the_dashboard(self):
        shown = {name for query in QUERIES for name in NAME.findall(query)}
        of_histograms = {name for name in self.served if name.endswith(("_sum", "_count"))}
        self.assertEqual(self.served - of_histograms - shown, set())

    def test_labels_and_their_values_exist(self):
        source = "\n".join(path.read_text() for folder in ("base", "interceptors", "server")
                           for path in (ROOT / folder).rglob("*.[ch]*") if path.suffix in (".h", ".cc"))
        for query in QUERIES + [alert["expr"] for alert in ALERTS]:
            for labels in LABELS.findall(query):
                for name, values in re.findall(r'(\w+)\s*[=!]~?\s*"([^"]*)"', labels):
                    self.assertIn(name, ("job", "method", "code", "reason"), query)
                    for value in values.split("|") if name == "reason" else ():
                        self.assertIn(f'"{value}"', source, query)
                    if name == "method":
                        self.assertIn(f'method="{values}"', self.text)


class Alerts(Case):
    def rules_file(self, rules=None):
        path = self.folder / "alerts.yaml"
        path.write_text(yaml.safe_dump(rules or RULES))
        return path

    def test_prometheus_takes_them(self):
        code, output = promtool("check", "rules", str(self.rules_file()))
        self.assertEqual(code, 0, output)
        self.assertIn(f"{len(ALERTS)} rules found", output)

    def test_they_go_off_when_they_should_and_not_before(self):
        self.rules_file()
        shutil.copy(ROOT / "tests/deploy/alerts_test.yaml", self.folder)
        code, output = promtool("test", "rules", "alerts_test.yaml", folder=self.folder)
        self.assertEqual(code, 0, output)

    def test_each_says_how_bad_it_is_and_what_to_do(self):
        self.assertEqual(len({alert["alert"] for alert in ALERTS}), len(ALERTS))
        for alert in ALERTS:
            self.assertIn(alert["labels"]["severity"], ("critical", "warning"))
            self.assertGreater(len(alert["annotations"]["summary"]), 20)
            self.assertGreater(len(alert["annotations"]["runbook"]), 40)


class Dashboard(Case):
    def test_prometheus_understands_every_query(self):
        queries = [query.replace("$__rate_interval", "1m").replace("$job", "watchword") for query in QUERIES]
        self.assertFalse(any("$" in query for query in queries))
        rules = {"groups": [{"name": "queries", "rules": [{"record": f"query:{number}", "expr": query}
                                                          for number, query in enumerate(queries)]}]}
        path = self.folder / "queries.yaml"
        path.write_text(yaml.safe_dump(rules))
        code, output = promtool("check", "rules", "--lint=none", str(path))
        self.assertEqual(code, 0, output)

    def test_panels_have_titles_units_and_the_chosen_data_source(self):
        identities = [panel["id"] for panel in DASHBOARD["panels"]]
        self.assertEqual(len(set(identities)), len(identities))
        for panel in PANELS:
            self.assertTrue(panel["title"])
            self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
            for target in panel["targets"]:
                self.assertEqual(target["datasource"], {"type": "prometheus", "uid": "${datasource}"})

    def test_panels_do_not_overlap(self):
        taken = set()
        for panel in DASHBOARD["panels"]:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & taken, panel["title"])
            self.assertLessEqual(place["x"] + place["w"], 24)
            taken |= cells


if __name__ == "__main__":
    unittest.main()
