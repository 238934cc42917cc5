"""`watchword verify` against verifiers that share no code with it.

Mutates good tokens in every way that forgers have tried, asks `watchword verify`, and compares with a strict check
written here on Python's json and the cryptography package, and with PyJWT. How many tokens: WATCHWORD_DIFFERENTIAL_TOKENS,
20,000 by default.
"""

import base64
import json
import os
import random
import re
import subprocess
import tempfile
import unittest

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

WATCHWORD = os.path.join(os.environ["BIN_DIR"], "watchword")
TOKENS = int(os.environ.get("WATCHWORD_DIFFERENTIAL_TOKENS", "20000"))
NOW = 1_800_000_000
ISSUER, AUDIENCE = "https://issuer.test", "orders"
LEEWAY, MAX_LIFETIME, MAX_SIZE = 30, 3600, 8192


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Signer:
    """A key pair of one algorithm."""

    def __init__(self, algorithm):
        self.algorithm, self.kid = algorithm, "key-" + algorithm
        if algorithm == "ES256":
            self.key = ec.generate_private_key(ec.SECP256R1())
            public = self.key.public_key().public_numbers()
            self.jwk = {"kty": "EC", "crv": "P-256", "x": encode(public.x.to_bytes(32, "big")),
                        "y": encode(public.y.to_bytes(32, "big"))}
        elif algorithm == "EdDSA":
            self.key = ed25519.Ed25519PrivateKey.generate()
            public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode(public)}
        else:
            self.key = rsa.generate_private_key(65537, 2048)
            public = self.key.public_key().public_numbers()
            self.jwk = {"kty": "RSA", "n": number(public.n), "e": number(public.e)}
        self.jwk |= {"kid": self.kid, "alg": algorithm, "use": "sig"}

    def sign(self, message):
        if self.algorithm == "ES256":
            r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if self.algorithm == "EdDSA":
            return self.key.sign(message)
        return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def verifies(self, message, signature):
        public = self.key.public_key()
        try:
            if self.algorithm == "ES256":
                if len(signature) != 64:
                    return False
                der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
                public.verify(der, message, ec.ECDSA(hashes.SHA256()))
            elif self.algorithm == "EdDSA":
                public.verify(signature, message)
            else:
                public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
            return True
        except (InvalidSignature, ValueError):
            return False

    def token(self, header, payload):
        message = encode(header) + "." + encode(payload)
        return message + "." + encode(self.sign(message.encode()))


class Refused(Exception):
    pass


def require(condition):
    if not condition:
        raise Refused


def strict_decode(text):
    require(re.fullmatch(r"[A-Za-z0-9_-]*", text) is not None and len(text) % 4 != 1)
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    require(encode(data) == text)
    return data


def unique(pairs):
    require(len({name for name, _ in pairs}) == len(pairs))
    return dict(pairs)


def strict_json(data):
    def refuse(_):
        raise Refused
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise Refused from None
    require(isinstance(value, dict))
    return value


def is_time(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 253402300800


def is_id(value):
    return isinstance(value, str) and 0 < len(value.encode("utf-8", "surrogatepass")) <= 255 and \
        all(ord(c) >= 32 and ord(c) != 127 for c in value)


def verdict(token, signers):
    """The subject, by the rules of RFC 8725 and RFC 9068 as strictly as they can be read. Raises Refused."""
    require(len(token) <= MAX_SIZE)
    try:
        parts = token.decode("ascii").split(".")
    except UnicodeDecodeError:
        raise Refused from None
    require(len(parts) == 3)
    header, payload, signature = strict_json(strict_decode(parts[0])), strict_decode(parts[1]), strict_decode(parts[2])
    require(not {"crit", "b64", "jwk", "jku", "x5u", "x5c"} & set(header))
    require(isinstance(header.get("typ"), str) and header["typ"].lower() in ("at+jwt", "application/at+jwt"))
    signer = signers.get(header.get("kid")) if isinstance(header.get("kid"), str) else None
    require(signer is not None and header.get("alg") == signer.algorithm)
    require(signer.verifies((parts[0] + "." + parts[1]).encode(), signature))
    claims = strict_json(payload)
    require(claims.get("iss") == ISSUER)
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    require(isinstance(audiences, list) and all(isinstance(a, str) for a in audiences) and AUDIENCE in audiences)
    require(all(is_id(claims.get(name)) for name in ("sub", "sid", "jti")))
    require(is_time(claims.get("exp")) and is_time(claims.get("iat")))
    require(0 < claims["exp"] - claims["iat"] <= MAX_LIFETIME)
    require(claims["iat"] <= NOW + LEEWAY and NOW < claims["exp"] + LEEWAY)
    if "nbf" in claims:
        require(is_time(claims["nbf"]) and claims["nbf"] <= NOW + LEEWAY)
    require(isinstance(claims.get("scope", ""), str) and isinstance(claims.get("preferred_username", ""), str))
    require("cnf" not in claims)
    return claims["sub"]


HEADER_CHANGES = [("alg", v) for v in ("none", "None", "", "HS256", "RS256", "ES256", "EdDSA", "PS256", 1, None)] + \
    [("typ", v) for v in ("JWT", "AT+JWT", "application/at+jwt", "", None, 1)] + \
    [("kid", v) for v in ("key-ES256", "key-RS256", "key-EdDSA", "x", "", None, ["key-ES256"])] + \
    [("crit", ["exp"]), ("b64", False), ("jku", "http://127.0.0.1/"), ("jwk", {}), ("x", 1)]
CLAIM_CHANGES = [("exp", v) for v in (NOW - 31, NOW - 30, NOW - 29, NOW, NOW + 3600, NOW + 3601, -1, 0, "1800000300",
                                      1e300, NOW + 0.5, True, None, 2 ** 63, 2 ** 53)] + \
    [("iat", v) for v in (NOW + 30, NOW + 31, NOW - 3300, NOW - 3301, 0, -5, "x", NOW - 0.25, None)] + \
    [("nbf", v) for v in (NOW + 30, NOW + 31, NOW, "x", None, -1)] + \
    [("iss", v) for v in (ISSUER + "/", ISSUER.upper(), [ISSUER], None, 1)] + \
    [("aud", v) for v in (AUDIENCE, [AUDIENCE, "x"], [], ["x"], [[AUDIENCE]], {"a": 1}, "orders,x", "order", None, 1)] + \
    [(name, v) for name in ("sub", "sid", "jti") for v in ("", "a\nb", "x" * 255, "x" * 256, 1, None, "é", "\u0000")] + \
    [("scope", v) for v in ("a b", 1, None, ["a"])] + [("preferred_username", v) for v in ("a", 1, None)] + \
    [("extra", v) for v in ({"a": [1, {"b": 2}]}, [[[]]], None, "\u2028")]


class Mutator:
    def __init__(self, signers, seed):
        self.signers, self.random = list(signers.values()), random.Random(seed)

    def claims(self):
        return {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "sid": "s-1", "jti": "t-1", "iat": NOW - 10,
                "exp": NOW + 290, "scope": "orders.read"}

    def token(self):
        signer = self.random.choice(self.signers)
        header = {"alg": signer.algorithm, "kid": signer.kid, "typ": "at+jwt"}
        claims = self.claims()
        for _ in range(self.random.choice((0, 0, 1, 1, 1, 2))):
            target, changes = self.random.choice(((header, HEADER_CHANGES), (claims, CLAIM_CHANGES), (claims, CLAIM_CHANGES)))
            name, value = self.random.choice(changes)
            if self.random.random() < 0.1:
                target.pop(name, None)
            else:
                target[name] = value
        token = signer.token(self.text(header), self.text(claims)).encode()
        return self.damage(token) if self.random.random() < 0.4 else token

    def text(self, value):
        text = json.dumps(value, ensure_ascii=self.random.random() < 0.5, indent=self.random.choice((None, None, 1)))
        if self.random.random() < 0.05:
            text = text.replace("{", '{"sub":"mallory","alg":"ES256",', 1)
        if self.random.random() < 0.03:
            text = self.random.choice((text + " ", " " + text, text + "x", text[:-1], text + "{}", "[" + text + "]", ""))
        return text.encode("utf-8", "surrogatepass")

    def damage(self, token):
        token, at = bytearray(token), self.random.randrange(len(token))
        kind = self.random.randrange(6)
        if kind == 0:
            token[at] ^= 1 << self.random.randrange(8)
        elif kind == 1:
            token[at:at] = self.random.choice((b"=", b" ", b".", b"+", b"\0", b"\r", b"A", b"\xff"))
        elif kind == 2:
            del token[at:]
        elif kind == 3:
            del token[at]
        elif kind == 4:
            token += self.random.choice((b"=", b"==", b".", b"A", b"\r"))
        else:
            other = self.token()
            parts, others = bytes(token).split(b"."), other.split(b".")
            if len(parts) == len(others) == 3:
                which = self.random.randrange(3)
                parts[which] = others[which]
                token = bytearray(b".".join(parts))
        return bytes(token)


class DifferentialTest(unittest.TestCase):
    def test_agrees_with_verifiers_that_share_no_code_with_it(self):
        signers = {s.kid: s for s in map(Signer, ("ES256", "EdDSA", "RS256"))}
        mutator = Mutator(signers, seed=7519)
        tokens = [mutator.token() for _ in range(TOKENS)]
        with tempfile.TemporaryDirectory() as folder:
            jwks = os.path.join(folder, "jwks.json")
            with open(jwks, "w", encoding="ascii") as file:
                json.dump({"keys": [s.jwk for s in signers.values()]}, file)
            ran = subprocess.run(
                [WATCHWORD, "verify", "--jwks", jwks, "--issuer", ISSUER, "--audience", AUDIENCE, "--now", str(NOW),
                 "--base64"], input=b"".join(base64.b64encode(t) + b"\n" for t in tokens), stdout=subprocess.PIPE,
                check=True)
        ours = [json.loads(line) for line in ran.stdout.splitlines()]
        self.assertEqual(len(ours), len(tokens))
        accepted = 0
        for token, our in zip(tokens, ours):
            try:
                theirs = verdict(token, signers)
            except Refused:
                theirs = None
            self.assertEqual(our.get("subject") if our["accepted"] else None, theirs, (token, our))
            if our["accepted"]:
                accepted += 1
                self.assert_pyjwt_accepts(token, our["subject"], signers)
        self.assertGreater(accepted, TOKENS // 10)
        self.assertGreater(len(tokens) - accepted, TOKENS // 4)
        print(f"{len(tokens)} tokens, {accepted} accepted by all, no disagreement")

    def assert_pyjwt_accepts(self, token, subject, signers):
        signer = signers[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, signer.key.public_key(), algorithms=[signer.algorithm], audience=AUDIENCE,
                            issuer=ISSUER, options={"verify_exp": False, "verify_iat": False, "verify_nbf": False})
        self.assertEqual(claims["sub"], subject)


if __name__ == "__main__":
    unittest.main()
