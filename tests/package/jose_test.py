"""Tokens and the JWK Set as a service in Node uses them, with npm's jose in TOOLS_DIR/../node_modules."""

import pathlib
import shutil
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import Case, Server, TOOLS, clean_environment  # noqa: E402


class Jose(Case):
    def check(self, server, token, audience):
        script = self.folder / "jose_check.mjs"
        shutil.copy(ROOT / "tests/package/jose_check.mjs", script)
        modules = self.folder / "node_modules"
        if not modules.exists():
            modules.symlink_to(TOOLS.parent / "node_modules")
        return subprocess.run(["node", script, f"http://127.0.0.1:{server.ops_port}/.well-known/jwks.json",
                               Server.ISSUER, audience], input=token, capture_output=True, text=True, timeout=60,
                              env=clean_environment())

    def test_access_token_is_accepted_for_its_audience_only(self):
        server = self.start(Server, self.folder)
        token = server.login(audiences=["greeter"])["credential"]
        accepted = self.check(server, token, "greeter")
        self.assertEqual(accepted.stdout.strip(), server.validate(token)["principal"]["subject"], accepted.stderr)
        refused = self.check(server, token, "another")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("JWTClaimValidationFailed", refused.stderr)


if __name__ == "__main__":
    unittest.main()
