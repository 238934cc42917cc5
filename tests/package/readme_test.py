"""The service in interceptors/README.md, as a reader makes it: in an empty folder, against the installed libraries."""

import os
import pathlib
import re
import subprocess
import sys
import unittest

import jwt

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import (AUTH, Case, Grpcurl, OK, PERMISSION_DENIED, Process, Server, TOOLS,  # noqa: E402
                     UNAUTHENTICATED, clean_environment, free_port, new_password, until)

CMAKE = os.environ.get("CMAKE", "cmake")
BUILD = os.environ.get("BUILD_DIR", ROOT / "build/release")
HELLO, PING = "greeter.v1.GreeterService/Hello", "greeter.v1.GreeterService/Ping"


def files_of_the_readme():
    """The files whose names stand before a block of code, and what is in them."""
    text = (ROOT / "interceptors" / "README.md").read_text()
    blocks = re.findall(r"^`([\w.]+)` [^\n]*\n\n```\w+\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return dict(blocks)


def commands_of_the_readme():
    """The lines to type to build the service, and those to run and call it."""
    text = (ROOT / "interceptors" / "README.md").read_text()
    section = text.split("## A service in ten lines")[1].split("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return "".join(blocks[:2]), "".join(blocks[2:])


def type_into_a_shell(folder, script, *changes, **environment):
    """Runs the lines as they stand, but for some changes: (regular expression, what to put there instead)."""
    for line, instead in changes:
        script, times = re.subn(line, instead, script, flags=re.MULTILINE)
        assert times > 0, f"the README does not say {line}"
    script = f"set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}"
    path = f"{folder}/watchword/bin{os.pathsep}{TOOLS}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=800,
                          env=clean_environment(HOME=str(folder), **environment) | {"PATH": path})
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done


class Readme(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        files = files_of_the_readme()
        assert set(files) == {"greeter.proto", "greeter.cc", "CMakeLists.txt"}, files
        for name, text in files.items():
            (cls.shared_folder / name).write_text(text)
        # What this machine has done already is left out.
        type_into_a_shell(cls.shared_folder, commands_of_the_readme()[0],
                          (r"sudo apt-get install .*", ":"),
                          (r"cmake --preset release && .*", ":"),
                          (r"cmake --install build/release", f"{CMAKE} --install {BUILD}"))

    def test_service_is_protected(self):
        source = self.shared_folder
        server = self.start(Server, self.folder)
        address = f"127.0.0.1:{free_port()}"
        self.start(Process, source / "build" / "greeter", address, server.address, Server.ISSUER,
                   server.service_account("greeter"))
        greeter = Grpcurl(address, "-plaintext", "-import-path", source, "-import-path",
                          source / "watchword/share/watchword/proto", "-proto", "greeter.proto")
        password = server.add_user("anna", scopes=["greet", "other"])
        login = server.login("anna", password, audiences=["greeter"])

        def is_up():
            try:
                return greeter.call(HELLO, bearer=login["credential"]).code == OK
            except ConnectionError:
                return False
        until(is_up)
        self.assertEqual(greeter.call(PING).code, OK)
        self.assertRefused(greeter.call(HELLO), UNAUTHENTICATED, "TOKEN_MISSING")
        subject = server.validate(login["credential"])["principal"]["subject"]
        self.assertEqual(greeter.call(HELLO, bearer=login["credential"]).response, {"greeting": f"Hello, {subject}"})
        other = server.login("anna", password, audiences=["greeter"], scopes=["other"])["credential"]
        self.assertRefused(greeter.call(HELLO, bearer=other), PERMISSION_DENIED, "INSUFFICIENT_SCOPE")
        self.check_with_pyjwt(server, login["credential"], subject)
        ended = server.grpc.call(AUTH + "Logout", bearer=login["credential"], wait_for_verifiers=True)
        self.assertEqual(ended.response, {"verifiers_acknowledged": 1, "verifiers_live": 1})
        self.assertRefused(greeter.call(HELLO, bearer=login["credential"]), UNAUTHENTICATED, "TOKEN_REVOKED")

    def test_commands_do_what_they_say(self):
        """On ports that are free, with the password that is asked for, and waiting for the servers as a reader would."""
        auth, ops, greeter = (f"127.0.0.1:{free_port()}" for _ in range(3))
        done = type_into_a_shell(
            self.shared_folder, commands_of_the_readme()[1],
            (r"--bootstrap-admin admin &", f"--bootstrap-admin admin {' '.join(Server.CHEAP_HASHES)} >log &\\n"
             f"until watchword --address {auth} health watchword.v1.AuthService; do sleep 0.1; done"),
            (r"greeter-account &", "greeter-account &\\n"
             f"until (: </dev/tcp/127.0.0.1/{greeter.split(':')[1]}); do sleep 0.1; done"),
            (r"watchword user add anna --scope greet", r'\g<0> --password-stdin <<<"$PASSWORD"'),
            (r"watchword login anna --audience greeter", r'\g<0> --password-stdin <<<"$PASSWORD"'),
            (r"^hello +# Unauthenticated", r"! \g<0>"),
            ("127.0.0.1:7070", auth), ("127.0.0.1:7071", ops), ("127.0.0.1:7090", greeter), PASSWORD=new_password())
        self.assertRegex(done.stdout, r'"greeting": "Hello, [0-9a-f-]{36}"')
        self.assertIn("1 of 1 services that watch have acknowledged it", done.stderr)
        self.assertIn("TOKEN_REVOKED", done.stderr)

    def check_with_pyjwt(self, server, credential, subject):
        """As the README tells services in other languages."""
        keys = jwt.PyJWKClient(f"http://127.0.0.1:{server.ops_port}/.well-known/jwks.json")
        key = keys.get_signing_key_from_jwt(credential).key
        claims = jwt.decode(credential, key, algorithms=["ES256"], issuer=Server.ISSUER, audience="greeter")
        self.assertEqual(claims["sub"], subject)
        with self.assertRaises(jwt.InvalidAudienceError):
            jwt.decode(credential, key, algorithms=["ES256"], issuer=Server.ISSUER, audience="another")


if __name__ == "__main__":
    unittest.main()
