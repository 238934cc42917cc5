"""docs/grpcurl.md: each command in it is run, in one shell, as its reader would; what it says comes back must come
back; and there is no call that it leaves out."""

import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import OK, ORDERS, ROOT, Case, Orders, Server, clean_environment, grpcurl_path, until

DOCUMENT = (ROOT / "docs/grpcurl.md").read_text()
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


def examples():
    """(commands, what they print or None), in the order of the document."""
    found = []
    for match in BLOCK.finditer(DOCUMENT):
        if match[1] == "sh":
            found.append([match[2], None])
        else:
            found[-1][1] = match[2]
    return found


def pattern(text):
    """`…` stands for anything, and alone on a line for any lines."""
    return re.sub(re.escape("…") + r"\n?", lambda match: "(?s:.*?)", re.escape(text.rstrip("\n")))


class Shell:
    """A shell that stays open, so that variables stay set. `set -e` and pipefail hold unless a failure is expected."""

    def __init__(self, folder, replacements):
        self.replacements = replacements
        path = os.pathsep.join((str(pathlib.Path(grpcurl_path()).parent), os.environ["PATH"]))
        self.process = subprocess.Popen(["bash", "-o", "pipefail"], cwd=folder, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env=clean_environment(PATH=path))

    def run(self, commands):
        """(exit code, output) of the commands; the code is that of the first that fails."""
        for written, real in self.replacements.items():
            commands = commands.replace(written, real)
        self.process.stdin.write(f"failed=0; trap '[[ $failed != 0 ]] || failed=$?' ERR\n{commands}\n"
                                 "trap - ERR; echo; echo ended=$failed\n")
        self.process.stdin.flush()
        output = ""
        for line in self.process.stdout:
            if line.startswith("ended="):
                return int(line.partition("=")[2]), output
            output += line
        raise AssertionError(f"the shell ended after: {output}")

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


class Document(Case):
    def setUp(self):
        super().setUp()
        local = self.folder / "build/local"
        local.mkdir(parents=True)
        server = self.start(Server, local)
        (local / "demo-password").write_text(server.add_user("demo", ["orders.read", "orders.write"]))
        orders = self.start(Orders, server.address, server.service_account())
        credential = server.login("demo", (local / "demo-password").read_text(), audiences=["orders"])["credential"]
        # The method whose rule is the strictest: it asks for a feed that was heard just now.
        until(lambda: orders.grpc.call(ORDERS + "CancelOrder", bearer=credential, order="2").code == OK)
        self.shell = Shell(self.folder, {"127.0.0.1:7070": server.address, "127.0.0.1:7080": orders.address,
                                         "127.0.0.1:7071": f"127.0.0.1:{server.ops_port}"})
        self.addCleanup(self.shell.close)

    def test_every_command_does_what_it_says(self):
        self.assertGreater(len(examples()), 25)
        for commands, expected in examples():
            code, output = self.shell.run(commands)
            with self.subTest(commands):
                is_refused = expected is not None and expected.startswith("ERROR:")
                ends_by_itself = "-max-time" not in commands
                if ends_by_itself:
                    self.assertEqual(code != 0, is_refused, output)
                if expected is not None:
                    self.assertRegex(output, "^" + pattern(expected))


class Completeness(unittest.TestCase):
    def test_every_call_is_in_it(self):
        for name in ("auth", "admin", "trust", "verifier"):
            proto = (ROOT / f"proto/watchword/v1/{name}.proto").read_text()
            service = re.search(r"^service (\w+)", proto, re.MULTILINE)[1]
            for method in re.findall(r"^  rpc (\w+)", proto, re.MULTILINE):
                self.assertIn(f"watchword.v1.{service}/{method}", DOCUMENT)

    def test_no_secret_is_an_argument(self):
        for commands, _ in examples():
            for argument in re.findall(r"-d '[^']*'|-H '[^']*'|-H \"[^\"]*\"", commands):
                self.assertNotRegex(argument, r"password\": \"\$|Bearer [^$]")


if __name__ == "__main__":
    unittest.main()
