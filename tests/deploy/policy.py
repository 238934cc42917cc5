"""What every installation must keep to. `violations` reads rendered manifests and says what is wrong, one line each; an
empty list means that all of it holds. manifests_test.py breaks each rule once, to see that it is noticed."""

import re

USER = 65532
GRPC_PORT = 7070
HEADROOM = 192 << 20  # bytes: what a server takes beside hashing: 64 MiB of it for a million revocations
UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def size(text):
    number, unit = re.fullmatch(r"(\d+)(\w*)", str(text)).groups()
    return int(number) * UNITS[unit]


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)([sm])", text).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def processors(text):
    return float(text[:-1]) / 1000 if str(text).endswith("m") else float(text)


def matches(selector, labels):
    return all(labels.get(name) == value for name, value in (selector or {}).get("matchLabels", {}).items())


class Manifests:
    def __init__(self, resources):
        self.resources = [resource for resource in resources if resource]

    def all(self, kind):
        return [resource for resource in self.resources if resource["kind"] == kind]

    def named(self, kind, name):
        return next((each for each in self.all(kind) if each["metadata"]["name"] == name), None)

    def workloads(self):
        return self.all("Deployment") + self.all("Job")

    def pods(self):
        return [(workload["metadata"]["name"], workload["spec"]["template"]) for workload in self.workloads()]

    def containers(self):
        return [(name, template["spec"], container) for name, template in self.pods()
                for container in template["spec"]["containers"]]

    def settings(self):
        """Of the server: its ConfigMap, whose name ends with a hash."""
        return next(each["data"] for each in self.all("ConfigMap")
                    if each["metadata"]["name"].startswith("watchword-settings-"))

    def server(self):
        return self.named("Deployment", "watchword")["spec"]["template"]["spec"]

    def pods_with(self, selector):
        return [template for _, template in self.pods() if matches(selector, template["metadata"]["labels"])]


def pod_security(manifests):
    """The level "restricted" of the pod security standards, and a read-only root."""
    namespace = manifests.named("Namespace", "watchword")
    if namespace["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
        yield "the namespace does not enforce the level restricted"
    for name, spec, container in manifests.containers():
        pod, own = spec.get("securityContext", {}), container.get("securityContext", {})
        if not pod.get("runAsNonRoot") or (pod.get("runAsUser"), pod.get("runAsGroup")) != (USER, USER):
            yield f"{name} does not run as {USER}"
        if pod.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{name} has no seccomp profile"
        if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{name} may gain privileges"
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{name} may write to its root"
        if own.get("privileged") or any(spec.get(each) for each in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{name} shares the node's namespaces"
        for volume in spec.get("volumes", []):
            if not set(volume) & {"configMap", "secret", "emptyDir", "persistentVolumeClaim"}:
                yield f"{name} mounts {volume['name']}, which the level restricted does not allow"


def service_accounts(manifests):
    """A service account of its own, and no token of it: nobody talks to the Kubernetes API."""
    for account in manifests.all("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"the token of {account['metadata']['name']} is mounted"
    for name, template in manifests.pods():
        spec = template["spec"]
        if manifests.named("ServiceAccount", spec.get("serviceAccountName")) is None:
            yield f"{name} has no service account of its own"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name} mounts a token"
        if spec.get("enableServiceLinks") is not False:
            yield f"{name} gets a variable for each Service, some called WATCHWORD_…"


def images(manifests):
    """A version, and never a tag that moves."""
    for name, _, container in manifests.containers():
        tag = container["image"].rpartition(":")[2] if ":" in container["image"] else ""
        if not re.fullmatch(r"\d+\.\d+\.\d+", tag):
            yield f"{name} runs {container['image']}, which is no version"


def resources(manifests):
    """Requests and a limit of memory for all; the server's fit the hashing budget."""
    for name, _, container in manifests.containers():
        requests, limits = (container.get("resources", {}).get(each, {}) for each in ("requests", "limits"))
        if "cpu" not in requests or "memory" not in requests or limits.get("memory") != requests["memory"]:
            yield f"{name} does not ask for the processor and memory that it may use"
        if "cpu" in limits:
            yield f"{name} is stopped by the kernel when it hashes"
    settings, container = manifests.settings(), manifests.server()["containers"][0]
    threads = int(settings["WATCHWORD_HASH_THREADS"])
    memory = container["resources"].get("limits", {}).get("memory", "0Mi")
    if size(memory) < threads * size(settings["WATCHWORD_HASH_MEMORY"]) + HEADROOM:
        yield "the memory limit does not hold what hashing takes"
    if manifests.all("HorizontalPodAutoscaler") and processors(container["resources"]["requests"]["cpu"]) < threads:
        yield "the server asks for fewer processors than it has hashing threads"


def probes(manifests):
    """Liveness depends on nothing but the process; a slow start is waited for; no gRPC probe of a port with TLS."""
    settings, container = manifests.settings(), manifests.server()["containers"][0]
    wanted = {"startupProbe": ("/livez", "liveness"), "livenessProbe": ("/livez", "liveness"),
              "readinessProbe": ("/readyz", "watchword.v1.AuthService")}
    for name, (path, service) in wanted.items():
        probe = container.get(name, {})
        http, grpc = probe.get("httpGet"), probe.get("grpc")
        if (http is None) == (grpc is None):
            yield f"the server has no {name}"
        elif http is not None and (http["path"], http["port"]) != (path, "http-ops"):
            yield f"the {name} asks {http['path']}, not {path}"
        elif grpc is not None and (grpc["port"], grpc.get("service")) != (GRPC_PORT, service):
            yield f"the {name} asks for {grpc.get('service')}, not {service}"
        if grpc is not None and "WATCHWORD_TLS_CERT" in settings:
            yield f"the {name} cannot get through TLS"
    startup = container.get("startupProbe", {})
    if startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3) < 300:
        yield "the startup probe waits less than five minutes"


def draining(manifests):
    """There is time to drain before the pod is killed."""
    settings = manifests.settings()
    drain = seconds(settings["WATCHWORD_DRAIN_DELAY"]) + seconds(settings["WATCHWORD_DRAIN_TIMEOUT"])
    if manifests.server().get("terminationGracePeriodSeconds", 30) < drain + 5:
        yield "the pod is killed before it has drained"


def network(manifests):
    """Denied by default; what is allowed names both ends and a port."""
    denies = [policy["spec"] for policy in manifests.all("NetworkPolicy")
              if policy["spec"]["podSelector"] == {} and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
              and not policy["spec"].get("ingress") and not policy["spec"].get("egress")]
    if not denies:
        yield "nothing is denied by default"
    for policy in manifests.all("NetworkPolicy"):
        name, spec = policy["metadata"]["name"], policy["spec"]
        if not manifests.pods_with(spec["podSelector"]):
            yield f"the policy {name} is about no pod"
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            for rule in spec.get(direction, []):
                if not rule.get(peers) or not rule.get("ports"):
                    yield f"the policy {name} lets everybody, or every port, through"


def services(manifests):
    """One name for all, one with every pod's address; each leads to pods that have the ports."""
    headless = manifests.named("Service", "watchword-headless")
    if headless is None or headless["spec"].get("clusterIP") != "None":
        yield "there is no headless Service"
    if manifests.named("Service", "watchword") is None:
        yield "there is no Service"
    for service in manifests.all("Service"):
        name, spec = service["metadata"]["name"], service["spec"]
        pods = manifests.pods_with({"matchLabels": spec["selector"]})
        if len(pods) != 1:
            yield f"the Service {name} leads to {len(pods)} kinds of pods"
        for pod in pods:
            has = {port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", [])}
            if not {port["targetPort"] for port in spec["ports"]} <= has:
                yield f"the Service {name} leads to a port that is not there"


def secrets(manifests):
    """Files in folders that follow their Secret, for the pod's group only; also every file that a setting names."""
    for name, spec, container in manifests.containers():
        if any("subPath" in mount for mount in container.get("volumeMounts", [])):
            yield f"{name} mounts a file that does not follow its Secret"
        if any("secretKeyRef" in each.get("valueFrom", {}) for each in container.get("env", [])) or any(
                "secretRef" in each for each in container.get("envFrom", [])):
            yield f"{name} has a secret in its environment"
        for volume in spec.get("volumes", []):
            group = spec["securityContext"].get("fsGroup")
            if "secret" in volume and (volume["secret"].get("defaultMode"), group) != (0o440, USER):
                yield f"{name} mounts {volume['name']} for others, too"
        if container["image"].startswith("watchword:"):
            settings = {**manifests.settings(), **{each["name"]: each["value"] for each in container.get("env", [])}}
            mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
            for setting in ("TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA", "KEY_FILE", "STORE_PASSWORD_FILE", "STORE_TLS_CA"):
                path = settings.get("WATCHWORD_" + setting)
                serves = setting != "KEY_FILE" or container.get("args") != ["migrate"]
                if path and serves and path.rpartition("/")[0] not in mounts:
                    yield f"{name}: {path} is not mounted"
    values = [value for each in manifests.all("ConfigMap") for value in each["data"].values()]
    if any(re.search(r"//[^/@]*:[^/@]*@|password=", value, re.IGNORECASE) for value in values):
        yield "a setting holds a password"


def replicas(manifests):
    """With a database elsewhere: several, apart, replaced one by one. On the embedded store: one, and nothing more."""
    deployment, settings = manifests.named("Deployment", "watchword"), manifests.settings()
    scaler = manifests.named("HorizontalPodAutoscaler", "watchword")
    budget = manifests.named("PodDisruptionBudget", "watchword")
    migration = manifests.named("Job", "watchword-migrate")
    spec = deployment["spec"]
    if not settings.get("WATCHWORD_STORE", "").startswith("mysql://"):
        if scaler or budget or migration or spec.get("replicas") != 1 or spec["strategy"] != {"type": "Recreate"}:
            yield "the embedded store has one server, the old one gone before the new one comes"
        if not any("persistentVolumeClaim" in volume for volume in manifests.server()["volumes"]):
            yield "the embedded store is on no volume"
        return
    if not scaler or "replicas" in spec or scaler["spec"]["minReplicas"] < 3:
        yield "there are fewer than three servers, or two who set their number"
    elif scaler["spec"]["scaleTargetRef"] != {"apiVersion": "apps/v1", "kind": "Deployment", "name": "watchword"}:
        yield "the autoscaler scales something else"
    if not budget or budget["spec"].get("maxUnavailable") != 1 or not manifests.pods_with(budget["spec"]["selector"]):
        yield "an eviction may take more than one server"
    if spec["strategy"].get("rollingUpdate") != {"maxUnavailable": 0, "maxSurge": 1}:
        yield "a roll-out takes a server away before its successor is there"
    spread = {each["topologyKey"]: each for each in manifests.server().get("topologySpreadConstraints", [])}
    labels = spec["template"]["metadata"]["labels"]
    if set(spread) != {"kubernetes.io/hostname", "topology.kubernetes.io/zone"} or not all(
            matches(each["labelSelector"], labels) for each in spread.values()):
        yield "the servers are not spread"
    migrating = migration["spec"]["template"]["spec"] if migration else {}
    if not migrating or migrating["containers"][0].get("args") != ["migrate"]:
        yield "nothing migrates the schema"
    else:
        mounted = {volume["secret"]["secretName"] for volume in migrating["volumes"] if "secret" in volume}
        if mounted != {"watchword-store-migration"}:
            yield "the migration has other secrets than its database account"


def transport(manifests):
    """With a database elsewhere it is production: certificates on both sides of gRPC, and of the database."""
    settings = manifests.settings()
    if not settings.get("WATCHWORD_STORE", "").startswith("mysql://"):
        return
    if not {"WATCHWORD_TLS_CERT", "WATCHWORD_TLS_KEY", "WATCHWORD_TLS_CLIENT_CA"} <= set(settings):
        yield "clients need no certificate"
    if "WATCHWORD_ALLOW_PLAINTEXT" in settings or "WATCHWORD_ALLOW_STORE_PLAINTEXT" in settings:
        yield "plaintext is allowed"
    if "WATCHWORD_STORE_TLS_CA" not in settings or not settings["WATCHWORD_ISSUER"].startswith("https://"):
        yield "the database's certificate is not checked, or the issuer has none"


def monitoring(manifests):
    """What is scraped is there, and may be reached by whoever scrapes."""
    for monitor in manifests.all("ServiceMonitor"):
        found = [service for service in manifests.all("Service")
                 if matches(monitor["spec"]["selector"], service["metadata"].get("labels", {}))]
        ports = {port["name"] for service in found for port in service["spec"]["ports"]}
        if len(found) != 1 or not {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports:
            yield "the ServiceMonitor finds no port to scrape"
        if manifests.named("NetworkPolicy", "watchword-from-prometheus") is None:
            yield "Prometheus may not scrape"


RULES = (pod_security, service_accounts, images, resources, probes, draining, network, services, secrets, replicas,
         transport, monitoring)


def violations(resources_):
    manifests = Manifests(resources_)
    return [line for rule in RULES for line in rule(manifests)]
