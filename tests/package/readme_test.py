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

from harness import (AUTH, Case, Grpcurl, OK, PERMISSION_DENIED, Process, Server, UNAUTHENTICATED,  # noqa: E402
                     clean_environment, free_port, until)

CMAKE = os.environ.get("CMAKE", "cmake")
BUILD = os.environ.get("BUILD_DIR", ROOT / "build/release")
HELLO, PING = "greeter.v1.GreeterService/Hello", "greeter.v1.GreeterService/Ping"


def files_of_the_readme():
    """The files whose names stand before a block of code, and what is in them."""
    text = (ROOT / "interceptors" / "README.md").read_text()
    blocks = re.findall(r"^`([\w.]+)` [^\n]*\n\n```\w+\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return dict(blocks)


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=800,
                          env=clean_environment(HOME="/nonexistent"))
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"


class Readme(Case):
    def test_service_outside_the_tree_is_protected(self):
        source, prefix = self.folder / "service", self.folder / "prefix"
        source.mkdir()
        files = files_of_the_readme()
        self.assertEqual(set(files), {"greeter.proto", "greeter.cc", "CMakeLists.txt"})
        for name, text in files.items():
            (source / name).write_text(text)
        run(CMAKE, "--install", BUILD, "--component", "libraries", "--prefix", prefix)
        run(CMAKE, "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
        run(CMAKE, "--build", source / "build")

        server = self.start(Server, self.folder)
        address = f"127.0.0.1:{free_port()}"
        self.start(Process, source / "build" / "greeter", address, server.address, Server.ISSUER,
                   server.service_account("greeter"))
        greeter = Grpcurl(address, "-plaintext", "-import-path", source, "-import-path",
                          prefix / "share/watchword/proto", "-proto", "greeter.proto")
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
