"""README.md and docs/operations.md: each command in them is run as its reader would, in the order of the document."""

import fnmatch
import itertools
import os
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
FENCED = re.compile(r"^```.*?^```\n", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
FLAG = re.compile(r"--[a-z][a-z0-9-]*")
# Which the tests are run by, or which would build the image or the program again.
RUN_ELSEWHERE = ("deploy/local.sh\n", "tests/run.sh\n")


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=clean_environment())
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


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
        builds = {"CONTRIBUTING.md"}  # the tests themselves, which NamedInSentences looks at
        found = {name for name, text in documents().items() if "```sh\n" in text}
        self.assertEqual(found, run_by_a_test | builds)


def documents():
    """Each document's name and text."""
    return {str(path.relative_to(ROOT)): path.read_text()
            for pattern in ("*.md", "docs/*.md", "interceptors/*.md") for path in ROOT.glob(pattern)}


class NamedInSentences(unittest.TestCase):
    """Commands, flags, files and metrics that a sentence names exist: what was renamed was renamed there, too."""

    @classmethod
    def setUpClass(cls):
        cls.named = sorted({(name, code) for name, text in documents().items()
                            for code in CODE.findall(FENCED.sub("", text))})
        cls.of_daemon = run([BIN / "watchwordd", "--help"]) + run([BIN / "watchwordd", "migrate", "--help"])
        cls.flags = set(FLAG.findall(cls.of_daemon + run([BIN / "watchword", "man"]).replace("\\-", "-")))
        for script in subprocess.run(["git", "ls-files", "*.sh"], cwd=ROOT, capture_output=True, text=True,
                                     check=True).stdout.split():
            cls.flags.update(FLAG.findall((ROOT / script).read_text()))

    def of(self, pattern):
        found = [(name, match) for name, code in self.named if (match := re.match(pattern, code))]
        self.assertTrue(found, f"no document has {pattern}: is it still how they are written?")
        return found

    def check_command(self, name, words):
        """Words of a command line, whose program and what follows it must exist."""
        program, *rest = words
        if program == "watchword":
            subcommands = list(itertools.takewhile(re.compile(r"[a-z][a-z-]*$").match, rest))
            known = run([BIN / "watchword", *subcommands, "--help"]) + run([BIN / "watchword", "--help"])
        elif program == "watchwordd":
            known = self.of_daemon
        elif program == "ctest":
            self.assertNotIn("Total Tests: 0", run(["ctest", "--test-dir", BIN.parent, "-N", *rest[2:]]), (name, words))
            return
        else:
            self.assertTrue(os.access(ROOT / program, os.X_OK), f"{name} names {program}, which is no program")
            known = (ROOT / program).read_text()
            for word in filter(re.compile(r"[a-z_]+$").match, rest):
                self.assertIn(word, known, f"{name}: {' '.join(words)}")
        for flag in filter(FLAG.match, rest):
            self.assertIn(flag, FLAG.findall(known), f"{name}: {' '.join(words)}")

    def test_commands(self):
        for name, match in self.of(r"(?:[A-Z_]+=\S+ )*((watchwordd?|ctest|\.ci/run|(tests|deploy)/[a-z0-9-]+\.sh)( .*)?)$"):
            self.check_command(name, match[1].split())

    def test_commands_of_those_who_build(self):
        for line in "".join(blocks("CONTRIBUTING.md")).splitlines():
            words = line.split("#")[0].split()
            for preset in re.findall(r"--preset (\S+)", line):
                self.assertRegex((ROOT / "CMakePresets.json").read_text(), f'"name": "{preset}"', line)
            for path in filter(re.compile(r"(tests|\.ci)/").match, words):
                self.assertTrue(os.access(ROOT / path, os.X_OK), line)
            if words and words[0] == "tests/bench.sh":
                self.check_command("CONTRIBUTING.md", words)

    def test_flags(self):
        for name, match in self.of(r"(--[a-z][a-z0-9-]*)"):
            if match[1] != "--prefix":  # cmake's
                self.assertTrue(match[1] in self.flags, f"{name} names {match[1]}")

    def test_files(self):
        """A path may lack its ending, and capitals in it stand for any name."""
        for name, match in self.of(r"((base|client|cmake|deploy|docs|interceptors|proto|server|tests)/[\w./-]*)"):
            pattern = re.sub("[A-Z]{3,}", "*", match[1].rstrip("/")) + "*"
            self.assertTrue(list(ROOT.glob(pattern)), f"{name} names {match[1]}")

    def test_metrics(self):
        code = "".join(path.read_text() for folder in ("server", "interceptors") for path in (ROOT / folder).rglob("*.cc"))
        for name, match in self.of(r"(watchword_[a-z_]*_(total|seconds|bytes|entries|age|size))\b"):
            self.assertTrue(match[1] in code, f"{name} names {match[1]}")


class NamedTests(unittest.TestCase):
    """docs/security.md names a test for each defence. It is there."""

    PROGRAM = re.compile(r"[a-z]+(_[a-z]+)*_test$|(e2e|bench|deploy)\.[a-z_]+$")
    TEST = re.compile(r"[A-Z*…]\S*$")

    @classmethod
    def setUpClass(cls):
        listed = run(["ctest", "--test-dir", BIN.parent, "-N"])
        # Test #7: program.Stores/Suite.Test/Sqlite, where Stores and Sqlite come from parameters
        cls.tests = {re.sub(r"^(\w+\.)\w+/", r"\1", name) for name in re.findall(r"^ *Test +#\d+: (\S+)$", listed, re.MULTILINE)}
        for program in [name for name in cls.tests if name.startswith(("e2e.", "deploy."))]:
            folder, name = program.split(".")
            suite = ""
            for line in (ROOT / "tests" / folder / f"{name}_test.py").read_text().splitlines():
                if declared := re.match(r"class (\w+)|    def (test_\w+)", line):
                    suite = declared[1] or suite
                    cls.tests.add(f"{program}.{suite}" + (f".{declared[2]}" if declared[2] else ""))

    def exists(self, program, test=None):
        """`test` may hold a `*`, and need not say which test of a suite."""
        pattern = f"{program}.{test}" if test else program
        return any(fnmatch.fnmatchcase(name, some) for name in self.tests for some in (pattern, pattern + ".*", pattern + "/*"))

    @staticmethod
    def defences():
        """What each row of the tables of tests names: (the row's first cell, the code in its last one)."""
        tables = re.findall(r"^\| defence \| test \|\n\|---\|---\|\n((?:\|.*\n)+)", (ROOT / "docs/security.md").read_text(),
                            re.MULTILINE)
        rows = [row.strip("| ").split(" | ") for table in tables for row in table.splitlines()]
        return [(defence, CODE.findall(tests)) for defence, tests in rows]

    def test_each_is_there(self):
        defences = self.defences()
        self.assertGreater(len(defences), 50)
        for defence, named in defences:
            self.assertTrue(named, f"no test is named for: {defence}")
            program = suite = None
            for code in named:
                if self.PROGRAM.match(code):
                    program, suite = code, None
                    self.assertTrue(self.exists(program), f"{code} ({defence})")
                elif program and self.TEST.match(code):
                    # `…name` is in the suite that was named before it, and may lack its beginning.
                    test = f"{suite}.*{code[1:]}" if code.startswith("…") else code
                    suite = test.split(".")[0]
                    self.assertTrue(self.exists(program, test.replace("…", "*")), f"{program} {code} ({defence})")


if __name__ == "__main__":
    unittest.main()
