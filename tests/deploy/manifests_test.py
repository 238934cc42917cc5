"""The manifests of deploy/kubernetes: they render, Kubernetes would take them, and they keep to policy.py."""

import copy
import functools
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import yaml

import policy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import BIN, ROOT, clean_environment

TOOLS = pathlib.Path(os.environ.get("TOOLS_DIR", ROOT / "build/tools/bin"))
SCHEMAS = TOOLS.parent / "kubernetes-schemas"
OVERLAYS = ("development", "production")


def run(program, *arguments, stdin=""):
    return subprocess.run([str(TOOLS / program), *arguments], input=stdin, capture_output=True, text=True, timeout=120)


@functools.cache
def rendered(overlay):
    process = run("kustomize", "build", str(ROOT / "deploy/kubernetes/overlays" / overlay))
    if process.returncode != 0 or process.stderr:
        raise AssertionError(process.stderr)
    return process.stdout


@functools.cache
def parsed(overlay):
    return list(yaml.safe_load_all(rendered(overlay)))


def resources(overlay):
    return copy.deepcopy(parsed(overlay))


def conform(manifests):
    version = next(SCHEMAS.iterdir()).name[1:].split("-")[0]  # of v1.32.0-local-strict, say
    template = "{{.NormalizedKubernetesVersion}}-local{{.StrictSuffix}}/{{.ResourceKind}}{{.KindSuffix}}.json"
    return run("kubeconform", "-strict", "-kubernetes-version", version, "-schema-location", f"{SCHEMAS}/{template}",
               "-skip", "ServiceMonitor,PrometheusRule", "-", stdin=manifests)


def of_the_operator(overlay):
    chosen = [each for each in resources(overlay) if each["apiVersion"].startswith("monitoring.coreos.com/")]
    return "\n---\n".join(yaml.safe_dump(each) for each in chosen)


class Schemas(unittest.TestCase):
    def test_kubernetes_takes_every_resource(self):
        for overlay in OVERLAYS:
            process = conform(rendered(overlay))
            self.assertEqual((process.returncode, process.stdout), (0, ""), process.stderr)

    def test_unknown_fields_and_wrong_types_are_noticed(self):
        for right, wrong in (("automountServiceAccountToken: false", "automountServiceAccountTokens: false"),
                             ("minReplicas: 3", "minReplicas: three"),
                             ("kind: PodDisruptionBudget", "kind: PodBudget")):
            self.assertIn(right, rendered("production"))
            self.assertNotEqual(conform(rendered("production").replace(right, wrong)).returncode, 0, wrong)

    def test_the_prometheus_operator_takes_its_resources(self):
        manifests = of_the_operator("production")
        self.assertEqual(run("decode", stdin=manifests).stderr, "")
        for right, wrong in (("scrapeTimeout:", "scrapeTimeouts:"), ("expr:", "expression:")):
            self.assertIn(right, manifests)
            self.assertNotEqual(run("decode", stdin=manifests.replace(right, wrong)).returncode, 0, wrong)


class Settings(unittest.TestCase):
    """The ConfigMap, as the server reads it."""

    def read(self, overlay, **changes):
        settings = {**policy.Manifests(resources(overlay)).settings(), **changes}
        return subprocess.run([str(BIN / "watchwordd"), "--print-config"], capture_output=True, text=True, timeout=60,
                              env=clean_environment(**settings))

    def test_the_server_takes_them(self):
        with tempfile.TemporaryDirectory() as folder:
            files = {}
            for setting in ("TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA"):
                (pathlib.Path(folder) / setting).touch()
                files["WATCHWORD_" + setting] = f"{folder}/{setting}"
            self.assertEqual(self.read("production", **files).stderr, "")
        self.assertEqual(self.read("development").stderr, "")

    def test_a_misspelt_one_is_noticed(self):
        self.assertIn("unknown environment variable", self.read("development", WATCHWORD_ISSUERS="x").stderr)

    def test_the_example_expects_the_issuer(self):
        manifests = policy.Manifests(resources("development"))
        orders = manifests.named("Deployment", "orders")["spec"]["template"]["spec"]["containers"][0]
        self.assertIn("--issuer=" + manifests.settings()["WATCHWORD_ISSUER"], orders["args"])


def spec_of(manifests, kind="Deployment", name="watchword"):
    return next(each for each in manifests if (each["kind"], each["metadata"]["name"]) == (kind, name))["spec"]


def pod_of(manifests, kind="Deployment", name="watchword"):
    return spec_of(manifests, kind, name)["template"]["spec"]


def container_of(manifests, kind="Deployment", name="watchword"):
    return pod_of(manifests, kind, name)["containers"][0]


def settings_of(manifests):
    return policy.Manifests(manifests).settings()


def remove(kind, name="watchword"):
    def change(manifests):
        manifests[:] = [each for each in manifests if (each["kind"], each["metadata"]["name"]) != (kind, name)]
    return change


def probe(name, **changes):
    return lambda manifests: container_of(manifests)[name].update(changes)


# What is broken, in which overlay, and how the policy calls it.
BREACHES = [
    ("production", lambda m: m[[each["kind"] for each in m].index("Namespace")]["metadata"].pop("labels"), "enforce"),
    ("production", lambda m: pod_of(m)["securityContext"].update(runAsUser=0), "does not run as 65532"),
    ("production", lambda m: pod_of(m, "Job", "watchword-migrate")["securityContext"].pop("runAsNonRoot"),
     "does not run as"),
    ("production", lambda m: pod_of(m)["securityContext"].pop("seccompProfile"), "seccomp"),
    ("production", lambda m: container_of(m)["securityContext"].pop("capabilities"), "gain privileges"),
    ("development", lambda m: container_of(m, name="orders")["securityContext"].update(readOnlyRootFilesystem=False),
     "write to its root"),
    ("production", lambda m: pod_of(m).update(hostNetwork=True), "shares the node's"),
    ("production", lambda m: pod_of(m)["volumes"].append({"name": "host", "hostPath": {"path": "/"}}), "mounts host"),
    ("production", lambda m: pod_of(m).pop("automountServiceAccountToken"), "mounts a token"),
    ("production", remove("ServiceAccount"), "no service account of its own"),
    ("production", lambda m: pod_of(m).pop("enableServiceLinks"), "a variable for each Service"),
    ("production", lambda m: container_of(m).update(image="watchword:latest"), "no version"),
    ("production", lambda m: container_of(m)["resources"].pop("limits"), "does not ask for"),
    ("production", lambda m: container_of(m)["resources"]["limits"].update(cpu="2"), "stopped by the kernel"),
    ("production", lambda m: settings_of(m).update(WATCHWORD_HASH_MEMORY="1GiB"), "memory limit"),
    ("production", lambda m: settings_of(m).update(WATCHWORD_HASH_THREADS="4"), "fewer processors"),
    ("production", probe("livenessProbe", httpGet={"path": "/readyz", "port": "http-ops"}), "asks /readyz"),
    ("development", probe("livenessProbe", grpc={"port": 7070, "service": "watchword.v1.AuthService"}), "not liveness"),
    ("production", probe("readinessProbe", httpGet={"path": "/livez", "port": "http-ops"}), "not /readyz"),
    ("production", lambda m: container_of(m).pop("startupProbe"), "no startupProbe"),
    ("production", probe("startupProbe", failureThreshold=3), "five minutes"),
    ("development", lambda m: settings_of(m).update(WATCHWORD_TLS_CERT="/x"), "through TLS"),
    ("production", lambda m: settings_of(m).update(WATCHWORD_DRAIN_TIMEOUT="25s"), "before it has drained"),
    ("production", remove("NetworkPolicy", "default-deny"), "denied by default"),
    ("production", lambda m: spec_of(m, "NetworkPolicy")["ingress"][0].pop("from"), "lets everybody"),
    ("production", lambda m: spec_of(m, "NetworkPolicy", "database")["egress"][0].pop("ports"), "lets everybody"),
    ("production", lambda m: spec_of(m, "NetworkPolicy", "database")["podSelector"]["matchLabels"].update(x="y"),
     "no pod"),
    ("production", remove("Service", "watchword-headless"), "no headless"),
    ("production", lambda m: spec_of(m, "Service", "watchword-headless").pop("clusterIP"), "no headless"),
    ("production", lambda m: spec_of(m, "Service")["selector"].update(x="y"), "0 kinds of pods"),
    ("production", lambda m: container_of(m)["ports"].pop(), "port that is not there"),
    ("production", lambda m: container_of(m)["volumeMounts"][1].update(subPath="tls.key"), "follow its Secret"),
    ("production", lambda m: pod_of(m)["volumes"][1]["secret"].update(defaultMode=0o444), "for others"),
    ("production", lambda m: pod_of(m)["securityContext"].pop("fsGroup"), "for others"),
    ("production", lambda m: container_of(m)["volumeMounts"].pop(1), "is not mounted"),
    ("production", lambda m: container_of(m)["envFrom"].append({"secretRef": {"name": "x"}}), "in its environment"),
    ("production", lambda m: settings_of(m).update(WATCHWORD_STORE="mysql://a:b@c/d"), "holds a password"),
    ("development", lambda m: spec_of(m).update(replicas=2), "one server"),
    ("development", lambda m: spec_of(m).update(strategy={"type": "RollingUpdate"}), "one server"),
    ("development", lambda m: pod_of(m).update(volumes=[]), "on no volume"),
    ("production", lambda m: spec_of(m).update(replicas=3), "set their number"),
    ("production", lambda m: spec_of(m, "HorizontalPodAutoscaler").update(minReplicas=2), "fewer than three"),
    ("production", lambda m: spec_of(m, "HorizontalPodAutoscaler")["scaleTargetRef"].update(name="x"),
     "something else"),
    ("production", remove("PodDisruptionBudget"), "an eviction"),
    ("production", lambda m: spec_of(m)["strategy"]["rollingUpdate"].update(maxUnavailable=1), "before its successor"),
    ("production", lambda m: pod_of(m)["topologySpreadConstraints"].pop(), "not spread"),
    ("production", remove("Job", "watchword-migrate"), "nothing migrates"),
    ("production", lambda m: pod_of(m, "Job", "watchword-migrate")["volumes"].append(
        {"name": "key", "secret": {"secretName": "watchword-key", "defaultMode": 0o440}}), "other secrets"),
    ("production", lambda m: settings_of(m).pop("WATCHWORD_TLS_CLIENT_CA"), "no certificate"),
    ("production", lambda m: settings_of(m).update(WATCHWORD_ALLOW_PLAINTEXT="true"), "plaintext is allowed"),
    ("production", lambda m: settings_of(m).pop("WATCHWORD_STORE_TLS_CA"), "certificate is not checked"),
    ("production", lambda m: spec_of(m, "ServiceMonitor")["endpoints"][0].update(port="metrics"), "no port to scrape"),
    ("production", remove("NetworkPolicy", "watchword-from-prometheus"), "may not scrape"),
]


class Policy(unittest.TestCase):
    def test_every_overlay_keeps_to_it(self):
        for overlay in OVERLAYS:
            self.assertEqual(policy.violations(resources(overlay)), [])

    def test_every_breach_is_noticed(self):
        for number, (overlay, breach, message) in enumerate(BREACHES):
            with self.subTest(number=number, message=message):
                manifests = resources(overlay)
                breach(manifests)
                self.assertIn(message, "\n".join(policy.violations(manifests)))

    def test_every_rule_is_broken_once(self):
        broken = set()
        for overlay, breach, message in BREACHES:
            manifests = resources(overlay)
            breach(manifests)
            broken |= {rule for rule in policy.RULES for line in rule(policy.Manifests(manifests)) if message in line}
        self.assertEqual(broken, set(policy.RULES))


if __name__ == "__main__":
    unittest.main()
