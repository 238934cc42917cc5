"""README.md and docs/operations.md: each command in them is run as its reader would, in the order of the document."""

import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "testing"))
from cluster import Database
from harness import (BIN, OK, ORDERS, PATIENCE, ROOT, TOOLS, Case, Orders, Server, clean_environment, free_port,
                     new_password, remember, until)
from mariadb import program
from transport_test import Certificates

BLOCK = re.compile(r"^```sh\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
# Which the tests are run by, or which would build the image or the program again.
RUN_ELSEWHERE = ("deploy/local.sh\n", "tests/run.sh\n")


def blocks(document):
    return BLOCK.findall((ROOT / document).read_text())


class Documents(Case):
    def run_all(self, commands, replacements, **environment):
        """(what was printed, what was said of failures), all of it in one shell; nothing may fail unless it says so."""
        script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "\n".join(commands)
        for written, real in replacements.items():
            self.assertIn(written, script)
            script = script.replace(written, real)
        path = f"{self.folder}/programs:{BIN}:{TOOLS}:/usr/sbin:/usr/bin:/bin"
        done = subprocess.run(["bash", "-c", script], cwd=self.folder, capture_output=True, text=True,
                              timeout=4 * PATIENCE, env=clean_environment(HOME=str(self.folder)) | environment | {"PATH": path})
        self.assertEqual(done.returncode, 0, f"{script}\n{done.stdout}\n{done.stderr}")
        return done.stdout, done.stderr


class Operations(Documents):
    def setUp(self):
        super().setUp()
        authority = Certificates(self.folder, "database")
        certificate, key = authority.issue("server")
        (self.folder / "deploy").symlink_to(ROOT / "deploy")
        self.database = Database(self.folder / "mariadb", f"--ssl-cert={certificate}", f"--ssl-key={key}")
        self.addCleanup(self.database.kill)
        for name, real in (("mysql", "mariadb"), ("mysqldump", "mariadb-dump")):
            self.add_program(name, f'exec {program(real)} --no-defaults --socket={self.database.socket} "$@"')

    def add_program(self, name, text):
        """A client of the test's own database, where readers have one that finds theirs."""
        path = self.folder / "programs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def test_every_command_does_what_it_says(self):
        port, ops_port = free_port(), free_port()
        commands = blocks("docs/operations.md")
        self.assertGreaterEqual(len(commands), 9)
        printed, _ = self.run_all(commands, {
            "KEY_ID": "$(watchword key list | awk '$3 == \"active\" {print $1}')",
            "DATABASE": f"127.0.0.1:{self.database.port}", "http://127.0.0.1:7071": f"http://127.0.0.1:{ops_port}",
            'bootstrap-admin = "admin"': f'bootstrap-admin = "admin"\nlisten = ["127.0.0.1:{port}"]\n'
                                         f'ops-listen = "127.0.0.1:{ops_port}"\nhash-memory = "8MiB"'},
            WATCHWORD_ADDRESS=f"127.0.0.1:{port}", XDG_STATE_HOME=str(self.folder / "state"))
        remember((self.folder / "data/bootstrap-admin-password").read_text().strip())
        self.assertEqual(len(re.findall("^ok$", printed, re.MULTILINE)), 4, "ready each time")
        self.assertRegex(printed, r"(?m)^watchwordd \d")


class Readme(Documents):
    def setUp(self):
        super().setUp()
        self.local = self.folder / "build/local"
        self.local.mkdir(parents=True)
        (self.folder / "build/release").mkdir()
        (self.folder / "build/release/bin").symlink_to(BIN)
        (self.folder / "build/tools").mkdir()
        (self.folder / "build/tools/bin").symlink_to(TOOLS)

    def test_every_command_does_what_it_says(self):
        """On a running deploy/local.sh, as it says, whose own test is `.ci/run`."""
        server = self.start(Server, self.local)
        password = server.add_user("demo", ["orders.read", "orders.write"])
        (self.local / "demo-password").write_text(password)
        orders = self.start(Orders, server.address, server.service_account())
        credential = server.login("demo", password, audiences=["orders"])["credential"]
        until(lambda: orders.grpc.call(ORDERS + "CancelOrder", bearer=credential, order="1").code == OK)
        self.start_admin(server)
        commands = [each for each in blocks("README.md") if each not in RUN_ELSEWHERE]
        self.assertEqual(len(commands), 6)
        printed, said = self.run_all(commands, {
            "127.0.0.1:7070": server.address, "127.0.0.1:7080": orders.address,
            # Its refusal is what is to be seen.
            "ListOrders\n# Code": "ListOrders && exit 1\n# Code",
            # It asks at a terminal, and only an administrator imports.
            "watchword password\n": "watchword login demo --password-stdin <build/local/demo-password\n"
                                    "{ cat build/local/demo-password; echo; cat new-password; } |\n"
                                    "watchword password --passwords-stdin\n",
            "watchword user import": "watchword login admin --scope watchword.admin --password-stdin "
                                     "<admin-password\nwatchword user import"})
        self.assertIn("Hello, demo!", printed)
        self.assertIn("TOKEN_REVOKED", said)

    def start_admin(self, server):
        path = self.folder / "admin-password"
        path.touch(mode=0o600)
        path.write_text(server.admin_password)
        (self.folder / "new-password").write_text(new_password())


class Completeness(unittest.TestCase):
    def test_no_document_has_commands_that_nobody_runs(self):
        run_by_a_test = {"README.md", "docs/operations.md", "docs/grpcurl.md", "interceptors/README.md"}
        builds = {"CONTRIBUTING.md"}  # what .ci/run and the tests are started with
        found = {str(path.relative_to(ROOT)) for pattern in ("*.md", "docs/*.md", "interceptors/*.md")
                 for path in ROOT.glob(pattern) if "```sh\n" in path.read_text()}
        self.assertEqual(found, run_by_a_test | builds)


if __name__ == "__main__":
    unittest.main()
