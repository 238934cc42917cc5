"""Replicas are replaced one by one, under load, while certificates and the database's password change: no call fails.

It is what a Deployment does with pods (one more before one less, each with an address of its own) behind the name of a
headless Service. It runs in a network of its own, where port 53 is free and nobody else's calls are.

CALLS=100000 makes more calls than the short run."""

import os
import pathlib
import sys
import unittest
import urllib.request

if __name__ == "__main__" and "WATCHWORD_OWN_NETWORK" not in os.environ:
    os.environ["WATCHWORD_OWN_NETWORK"] = "yes"
    rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    os.execvp("unshare", ["unshare", *rights, "--net", "--mount", sys.executable, "-B", *sys.argv])

import subprocess

from cluster import DATABASE, DATABASE_PASSWORD, USER, StoreCase, figure, store_flags
from harness import ADMIN, AUTH, BIN, OK, PATIENCE, Grpcurl, Process, Server, SessionLoad, new_password, until
from name_server import NameServer
from transport_test import Certificates

NAME, PORT, OPS_PORT = "watchword-headless.watchword.svc", 7070, 7071
CALLS = int(os.environ.get("CALLS", "5000"))
REPLICAS = 3


class Secret:
    """A folder as Kubernetes mounts a Secret: the files are links through `..data`, which is exchanged at once."""

    def __init__(self, folder, **files):
        self.folder, self.version = pathlib.Path(folder), 0
        self.folder.mkdir()
        self.write(**files)
        for name in os.listdir(self.folder / "..data"):
            (self.folder / name).symlink_to(f"..data/{name}")

    def write(self, **files):
        self.version += 1
        version = self.folder / f"..version-{self.version}"
        version.mkdir()
        for name, content in files.items():
            path = version / name.replace("_", ".")
            path.touch(mode=0o600)
            path.write_text(content)
        (self.folder / "..data_tmp").symlink_to(version.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")


class Replica(Process):
    """A server with an address of its own, as a pod has."""

    def __init__(self, folder, host, database, tls, password):
        self.host = host
        store = [str(each) for each in store_flags(folder, [database.port])]
        store[store.index("--store-password-file") + 1] = password.folder / "password"
        super().__init__(BIN / "watchwordd", "--issuer", Server.ISSUER, "--data-dir", folder / host, *store,
                         *Server.CHEAP_HASHES, "--bootstrap-admin", "admin", "--bootstrap-admin-password-file",
                         folder / "admin-password", "--listen", f"{host}:{PORT}", "--ops-listen", f"{host}:{OPS_PORT}",
                         "--tls-cert", tls.folder / "tls.crt", "--tls-key", tls.folder / "tls.key", "--tls-client-ca",
                         tls.folder / "ca.crt", "--drain-delay", "2s", "--hash-max-wait", "1m")
        self.wait_for_message("ready")

    def metric(self, name):
        with urllib.request.urlopen(f"http://{self.host}:{OPS_PORT}/metrics", timeout=PATIENCE) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


class RollingRestart(StoreCase):
    def setUp(self):
        super().setUp()
        self.use_own_names()
        self.authority = Certificates(self.folder, "authority")
        self.tls = Secret(self.folder / "tls", **self.new_certificate())
        self.password = Secret(self.folder / "store", password=DATABASE_PASSWORD)
        self.started = 0
        self.replicas = [self.start_replica() for _ in range(REPLICAS)]
        self.publish()

    def use_own_names(self):
        self.names = NameServer(NAME)
        self.addCleanup(self.names.close)
        resolver = self.folder / "resolv.conf"
        resolver.write_text("nameserver 127.0.0.1\n")
        subprocess.run(["mount", "--bind", resolver, "/etc/resolv.conf"], check=True)
        self.addCleanup(subprocess.run, ["umount", "/etc/resolv.conf"], check=True)

    def new_certificate(self):
        certificate, key = self.authority.issue("server", subject_alt_name=f"DNS:{NAME}")
        return {"tls_crt": certificate.read_text(), "tls_key": key.read_text(), "ca_crt": self.authority.ca.read_text()}

    def start_replica(self):
        self.started += 1
        return self.start(Replica, self.shared_folder, f"127.1.{self.started // 250}.{self.started % 250 + 1}",
                          self.database, self.tls, self.password)

    def publish(self):
        self.names.publish([replica.host for replica in self.replicas])

    def start_load(self):
        certificate, key = self.authority.issue("client", subject_alt_name="DNS:client")
        grpc = Grpcurl(f"{self.replicas[0].host}:{PORT}", "-cacert", str(self.authority.ca), "-cert", str(certificate),
                       "-key", str(key), "-servername", NAME)
        admin = (self.shared_folder / "admin-password").read_text().strip()
        login = grpc.call(AUTH + "Login", username="admin", password=admin)
        password = new_password()
        made = grpc.call(ADMIN + "CreateUser", bearer=login.response["credential"], username="anna", password=password)
        self.assertEqual(made.code, OK, made)
        return self.start(SessionLoad, f"{NAME}:{PORT}", "anna", password, "--tls-ca", self.authority.ca, "--tls-cert",
                          certificate, "--tls-key", key)

    def change_certificate(self):
        self.tls.write(**self.new_certificate())

    def change_database_password(self):
        """Both are good until every server reads the new one."""
        new, old = new_password(), getattr(self, "current", DATABASE_PASSWORD)
        both = " OR ".join(f"mysql_native_password USING PASSWORD('{each}')" for each in (new, old))
        self.database.sql(f"ALTER USER {USER}@'%' IDENTIFIED VIA {both}")
        self.password.write(password=new)
        self.database.sql(f"ALTER USER {USER}@'%' IDENTIFIED BY '{new}'")
        self.current = new

    def replace_oldest(self):
        """As a Deployment: the new one is ready before the old one is asked to end, and the name loses its address at the
        same moment."""
        self.replicas.append(self.start_replica())
        old = self.replicas.pop(0)
        self.publish()
        self.assertEqual(old.end(), 0, old.output())

    def test_no_call_fails(self):
        load, rounds = self.start_load(), 0
        until(lambda: load.count()[0] > CALLS // 10)
        while rounds < REPLICAS or load.count()[0] < CALLS:
            self.change_certificate()
            self.replace_oldest()
            self.change_database_password()
            rounds += 1
        calls, failed = load.stop()
        figure(f"{failed} failed of {calls} calls, {rounds} replicas replaced")
        self.assertEqual(failed, 0, load.stderr())
        for replica in self.replicas:
            self.assertGreater(replica.metric("watchword_rpcs_total"), 0, "nobody has called it")
            self.assertGreater(replica.metric("watchword_store_pool_connections"), 0)
            self.assertEqual(replica.metric("watchword_store_pool_waiting"), 0)


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    unittest.main()
