"""What checks Watchword's tokens elsewhere: Envoy's and Istio's configurations are such as those programs read, agree
with the manifests, and what they rely on is served; a usual library gets from the issuer to a verified token."""

import json
import os
import pathlib
import subprocess
import sys
import unittest
import urllib.request

import jwt
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import ROOT, Case, Server

TOOLS = pathlib.Path(os.environ.get("TOOLS_DIR", ROOT / "build/tools/bin"))
ENVOY = ROOT / "deploy/envoy/envoy.yaml"
ISTIO = ROOT / "deploy/istio/request-authentication.yaml"


def decode(text):
    process = subprocess.run([str(TOOLS / "decode")], input=text, capture_output=True, text=True, timeout=60)
    return process.stderr


def development_setting(name):
    overlay = yaml.safe_load((ROOT / "deploy/kubernetes/overlays/development/kustomization.yaml").read_text())
    literals = dict(each.split("=", 1) for each in overlay["configMapGenerator"][0]["literals"])
    return literals[name]


class Configurations(unittest.TestCase):
    def test_envoy_and_istio_take_them(self):
        for path in (ENVOY, ISTIO):
            self.assertEqual(decode(path.read_text()), "", path)

    def test_what_they_would_not_take_is_noticed(self):
        for path, right, wrong in ((ENVOY, "num_retries", "num_retriez"),
                                   (ENVOY, "stat_prefix: grpc", 'stat_prefix: ""'),
                                   (ISTIO, "jwksUri:", "jwksUrl:"), (ISTIO, "requestPrincipals: [", "principal: [")):
            self.assertIn(right, path.read_text())
            self.assertNotEqual(decode(path.read_text().replace(right, wrong)), "", wrong)

    def test_they_expect_the_issuer_of_the_development_overlay(self):
        issuer = development_setting("WATCHWORD_ISSUER")
        listener = yaml.safe_load(ENVOY.read_text())["static_resources"]["listeners"][0]
        filters = listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
        provider = filters[0]["typed_config"]["providers"]["watchword"]
        authentication, policy = yaml.safe_load_all(ISTIO.read_text())
        rule = authentication["spec"]["jwtRules"][0]
        for found in (provider, rule):
            self.assertEqual((found["issuer"], found["audiences"]), (issuer, ["orders"]))
        keys = issuer + "/.well-known/jwks.json"
        self.assertEqual([provider["remote_jwks"]["http_uri"]["uri"], rule["jwksUri"]], [keys, keys])
        self.assertEqual(policy["spec"]["rules"][1]["from"][0]["source"]["requestPrincipals"], [issuer + "/*"])


class Libraries(Case):
    """With PyJWT, which knows nothing but the issuer. The port is where an ingress of that name would lead."""

    def setUp(self):
        super().setUp()
        self.server = self.start(Server, self.folder)

    def open(self, url):
        return url.replace(Server.ISSUER, f"http://127.0.0.1:{self.server.ops_port}")

    def verify(self, token, audience):
        with urllib.request.urlopen(self.open(Server.ISSUER + "/.well-known/openid-configuration")) as answer:
            self.assertEqual(answer.headers["Content-Type"], "application/json")
            found = json.load(answer)
        key = jwt.PyJWKClient(self.open(found["jwks_uri"])).get_signing_key_from_jwt(token)
        return jwt.decode(token, key.key, algorithms=found["id_token_signing_alg_values_supported"],
                          issuer=found["issuer"], audience=audience)

    def test_the_issuer_leads_to_a_verified_token(self):
        token = self.server.login(audiences=["orders"])["credential"]
        self.assertEqual(self.verify(token, "orders")["sub"], self.server.validate(token)["principal"]["subject"])
        with self.assertRaises(jwt.InvalidAudienceError):
            self.verify(token, "billing")

    def test_a_token_of_another_key_is_not(self):
        (self.folder / "other").mkdir()
        other = self.start(Server, self.folder / "other")
        with self.assertRaises(jwt.PyJWKClientError):
            self.verify(other.login(audiences=["orders"])["credential"], "orders")


if __name__ == "__main__":
    unittest.main()
