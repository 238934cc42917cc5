"""TLS: what is on the port, who may connect, and that a bad certificate stops a call before it is made."""

import base64
import datetime
import hashlib
import json
import re
import shutil
import ssl
import subprocess
import threading
import unittest
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness import (ADMIN, AUTH, Case, Command, Grpcurl, INVALID_ARGUMENT, OK, Server, UNAUTHENTICATED,
                     clean_environment, grpcurl_path, until)


class Certificates:
    """A test authority and what it signs, made with openssl."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.ca = folder / f"{name}-ca.pem"
        self.ca_key = folder / f"{name}-ca-key.pem"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", f"/CN={name}", "-keyout", self.ca_key, "-out", self.ca)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    def issue(self, name, *, subject_alt_name="IP:127.0.0.1", days=1):
        """(certificate, key)"""
        certificate, key = self.folder / f"{self.name}-{name}.pem", self.folder / f"{self.name}-{name}-key.pem"
        request, extensions = self.folder / "request.pem", self.folder / "extensions"
        extensions.write_text(f"subjectAltName={subject_alt_name}\n")
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                     f"/CN={name}", "-keyout", key, "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial",
                     "-days", days, "-extfile", extensions, "-out", certificate)
        key.chmod(0o600)
        return certificate, key

    def issue_expired(self, name):
        """A client certificate that was good until yesterday."""
        authority = x509.load_pem_x509_certificate(self.ca.read_bytes())
        authority_key = serialization.load_pem_private_key(self.ca_key.read_bytes(), None)
        own_key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        signed = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(authority.subject)
                  .public_key(own_key.public_key()).serial_number(x509.random_serial_number())
                  .not_valid_before(now - datetime.timedelta(days=2)).not_valid_after(now - datetime.timedelta(days=1))
                  .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=True)
                  .sign(authority_key, hashes.SHA256()))
        certificate, key = self.folder / f"{self.name}-{name}.pem", self.folder / f"{self.name}-{name}-key.pem"
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        key.write_bytes(own_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                              serialization.NoEncryption()))
        return certificate, key


def sha256_of(certificate):
    """Of the DER form."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).digest()


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


class TlsCase(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority = Certificates(cls.shared_folder, "ours")
        cls.other_authority = Certificates(cls.shared_folder, "theirs")
        cls.certificate, cls.key = cls.authority.issue("server")

    def start_server(self, *flags):
        return self.start(Server, self.folder, "--tls-cert", self.certificate, "--tls-key", self.key, *flags,
                          grpcurl_flags=("-cacert", self.authority.ca))

    def assertCannotConnect(self, server, *grpcurl_flags):
        with self.assertRaises(ConnectionError):
            reply = Grpcurl(server.address, "-connect-timeout", "2", *grpcurl_flags).call(AUTH + "Validate", bearer="x")
            # A server that wants a certificate says so after the handshake of TLS 1.3.
            if reply.code != OK:
                raise ConnectionError(reply)


class ServerCertificate(TlsCase):
    def test_callers_who_trust_the_authority_are_served(self):
        server = self.start_server()
        self.assertActive(server.validate(server.login()["credential"]))

    def test_plaintext_and_foreign_authorities_do_not_connect(self):
        server = self.start_server()
        self.assertCannotConnect(server, "-plaintext")
        self.assertCannotConnect(server, "-cacert", self.other_authority.ca)
        self.assertCannotConnect(server, "-cacert", self.authority.ca, "-authority", "elsewhere.example")

    def test_old_versions_of_tls_are_refused(self):
        server = self.start_server()
        for version, expected in {"-tls1_1": False, "-tls1_2": True, "-tls1_3": True}.items():
            ended = subprocess.run(["openssl", "s_client", "-connect", server.address, version, "-alpn", "h2",
                                    "-cipher", "ALL:@SECLEVEL=0"], stdin=subprocess.DEVNULL, capture_output=True)
            self.assertEqual(ended.returncode == 0, expected, version)

    def test_suites_without_encryption_or_authentication_are_refused(self):
        server = self.start_server()
        for suites in ("aNULL", "eNULL", "aNULL:eNULL:NULL", "DES-CBC3-SHA", "RC4", "kRSA"):
            ended = subprocess.run(["openssl", "s_client", "-connect", server.address, "-tls1_2", "-alpn", "h2", "-cipher",
                                    f"{suites}:@SECLEVEL=0"], stdin=subprocess.DEVNULL, capture_output=True)
            self.assertNotEqual(ended.returncode, 0, suites)

    def test_a_tls_client_gets_nothing_from_a_plaintext_port(self):
        server = self.start(Server, self.folder)
        self.assertCannotConnect(server, "-cacert", self.authority.ca)

    def test_with_tls_it_may_listen_for_everybody(self):
        server = self.start_server("--listen", "0.0.0.0:0")
        self.assertEqual(server.process.poll(), None)

    def test_files_that_do_not_serve_stop_the_start(self):
        _, wrong_key = self.authority.issue("wrong")
        garbage = self.folder / "garbage.pem"
        garbage.write_text("no PEM\n")
        for named, flags in {wrong_key: ("--tls-cert", self.certificate, "--tls-key", wrong_key),
                             garbage: ("--tls-cert", garbage, "--tls-key", self.key),
                             self.certificate: ("--tls-cert", self.certificate, "--tls-key", self.certificate),
                             self.key: ("--tls-cert", self.certificate, "--tls-key", self.key, "--tls-client-ca",
                                        self.key)}.items():
            with self.assertRaises(AssertionError) as failed:
                self.start(Server, self.folder, *flags)
            self.assertRegex(str(failed.exception), f"watchwordd: .*{named}")


class ClientCertificate(TlsCase):
    def test_only_callers_with_one_of_the_authority_are_served(self):
        certificate, key = self.authority.issue("client")
        foreign_certificate, foreign_key = self.other_authority.issue("client")
        server = self.start_server("--tls-client-ca", self.authority.ca)
        trust = ("-cacert", self.authority.ca)
        self.assertCannotConnect(server, *trust)
        self.assertCannotConnect(server, *trust, "-cert", foreign_certificate, "-key", foreign_key)
        expired_certificate, expired_key = self.authority.issue_expired("expired")
        self.assertCannotConnect(server, *trust, "-cert", expired_certificate, "-key", expired_key)
        self_signed = Certificates(self.folder, "self")
        self.assertCannotConnect(server, *trust, "-cert", self_signed.ca, "-key", self_signed.ca_key)
        grpc = Grpcurl(server.address, *trust, "-cert", certificate, "-key", key)
        reply = grpc.call(AUTH + "Login", username="admin", password=server.admin_password)
        self.assertEqual(reply.code, OK, reply)
        command = Command(self.folder, server.address, "--tls-ca", str(self.authority.ca), "--tls-cert",
                          str(certificate), "--tls-key", str(key))
        self.assertEqual(command.run("login", "admin", "--password-stdin", stdin=server.admin_password)[0], 0)


    def test_while_an_authority_is_replaced_clients_of_both_are_served(self):
        bundle = self.folder / "bundle.pem"
        bundle.write_text(self.authority.ca.read_text() + self.other_authority.ca.read_text())
        server = self.start_server("--tls-client-ca", bundle)
        clients = [Grpcurl(server.address, "-connect-timeout", "5", "-cacert", self.authority.ca, "-cert", certificate,
                           "-key", key)
                   for certificate, key in (self.authority.issue("a"), self.other_authority.issue("b"))]
        for client in clients:
            reply = client.call(AUTH + "Login", username="admin", password=server.admin_password)
            self.assertEqual(reply.code, OK, reply)
        bundle.write_text(self.other_authority.ca.read_text())

        def old_is_refused():
            try:
                return clients[0].call(AUTH + "Validate", bearer="x").code != OK
            except ConnectionError:
                return True
        until(old_is_refused)
        reply = clients[1].call(AUTH + "Login", username="admin", password=server.admin_password)
        self.assertEqual(reply.code, OK, reply)


class Replacement(TlsCase):
    """Certificates that are replaced under load."""

    def setUp(self):
        super().setUp()
        self.certificate, self.key = self.folder / "live.pem", self.folder / "live-key.pem"
        self.put(*self.authority.issue("first"))
        self.server = self.start_server()

    def put(self, certificate, key):
        shutil.copy(certificate, self.certificate)
        shutil.copy(key, self.key)

    def served(self):
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", self.server.port)))

    def failures(self):
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.server.ops_port}/metrics", timeout=10).read().decode()
        return float(re.search(r"^watchword_gate_certificate_failures_total (\S+)$", text, re.MULTILINE).group(1))

    def test_under_load_no_call_fails_and_the_new_one_is_served(self):
        credential = self.server.login()["credential"]
        watch = subprocess.Popen([grpcurl_path(), "-cacert", str(self.authority.ca), "-d",
                                  '{"service": "watchword.v1.AuthService"}', self.server.address,
                                  "grpc.health.v1.Health/Watch"], stdout=subprocess.DEVNULL, env=clean_environment())
        self.addCleanup(watch.wait)
        self.addCleanup(watch.kill)
        replies, ended = [], threading.Event()

        def load():
            while not ended.is_set():
                replies.append(self.server.grpc.call(AUTH + "Validate", bearer=credential).code)
        threads = [threading.Thread(target=load) for _ in range(2)]
        for thread in threads:
            thread.start()
        for name in ("second", "third"):
            certificate, key = self.authority.issue(name)
            shutil.copy(key, self.key)  # for a moment, the pair does not match
            served_before = self.served()
            shutil.copy(certificate, self.certificate)
            until(lambda wanted=certificate: hashlib.sha256(self.served()).digest() == sha256_of(wanted))
            self.assertNotEqual(self.served(), served_before)
        ended.set()
        for thread in threads:
            thread.join()
        self.assertGreater(len(replies), 0)
        self.assertEqual([code for code in replies if code != OK], [])
        self.assertIsNone(watch.poll(), "the stream that was open has ended")

    def test_what_does_not_serve_leaves_the_old_one_and_raises_an_alarm(self):
        before = self.served()
        certificate, key = self.authority.issue("next")
        whole = certificate.read_text()
        for broken in (whole[:len(whole) // 2], "", self.authority.ca.read_text()):
            failures = self.failures()
            self.certificate.write_text(broken)
            until(lambda: self.failures() > failures)
            self.assertEqual(self.served(), before, broken)
            self.server.login()
        entry = self.server.wait_for_message("the TLS files have changed and cannot be used; those from before are used on")
        self.assertEqual(entry["severity"], "error")
        self.assertIn(str(self.certificate), entry["error"])
        self.put(certificate, key)
        until(lambda: self.served() != before)
        self.server.wait_for_message("the TLS certificate has been replaced")
        event = self.server.wait_for_line(lambda line: json.loads(line).get("event") == "certificate_changed")
        fingerprint = hashlib.sha256(self.served()).hexdigest()
        self.assertEqual(json.loads(event)["detail"], f"{self.certificate} sha256 {fingerprint}")


class Binding(TlsCase):
    """Credentials that are bound to a client certificate (RFC 8705)."""

    def setUp(self):
        super().setUp()
        self.server = self.start_server("--tls-client-ca", self.authority.ca)
        self.a, self.b = self.authority.issue("client-a"), self.authority.issue("client-b")
        self.as_a, self.as_b = self.client(*self.a), self.client(*self.b)

    def client(self, certificate, key):
        return Grpcurl(self.server.address, "-cacert", self.authority.ca, "-cert", certificate, "-key", key)

    def login(self, **request):
        reply = self.as_a.call(AUTH + "Login", username="admin", password=self.server.admin_password,
                               bind_to_certificate=True, **request)
        self.assertEqual(reply.code, OK, reply)
        return reply.response

    def verdict(self, client, credential):
        reply = client.call(AUTH + "Validate", bearer=credential)
        self.assertEqual(reply.code, OK, reply)
        return reply.response.get("active", False)

    def test_an_access_token_works_only_with_its_certificate(self):
        token = self.login()["credential"]
        thumbprint = base64.urlsafe_b64encode(sha256_of(self.a[0])).rstrip(b"=").decode()
        self.assertEqual(claims_of(token)["cnf"], {"x5t#S256": thumbprint})
        self.assertEqual(self.as_a.call(ADMIN + "ListUsers", bearer=token).code, OK)
        self.assertRefused(self.as_b.call(ADMIN + "ListUsers", bearer=token), UNAUTHENTICATED, "TOKEN_INVALID")
        self.assertTrue(self.verdict(self.as_a, token))
        self.assertFalse(self.verdict(self.as_b, token))

    def test_refresh_keeps_the_binding_and_is_refused_to_others(self):
        login = self.login()
        refused = self.as_b.call(AUTH + "Refresh", refresh_token=login["refresh_token"])
        self.assertServiceRefused(refused, UNAUTHENTICATED, "TOKEN_INVALID")
        refreshed = self.as_a.call(AUTH + "Refresh", refresh_token=login["refresh_token"])
        self.assertEqual(refreshed.code, OK, "the refusal has used up the token")
        self.assertEqual(claims_of(refreshed.response["credential"])["cnf"], claims_of(login["credential"])["cnf"])
        again = self.as_b.call(AUTH + "Refresh", refresh_token=refreshed.response["refresh_token"])
        self.assertServiceRefused(again, UNAUTHENTICATED, "TOKEN_INVALID")

    def test_a_session_token_works_only_with_its_certificate(self):
        token = self.login(kind="CREDENTIAL_KIND_SESSION_TOKEN")["credential"]
        self.assertTrue(self.verdict(self.as_a, token))
        self.assertFalse(self.verdict(self.as_b, token))
        self.assertTrue(self.verdict(self.as_a, token))

    def test_services_are_told_what_a_credential_is_bound_to(self):
        asking = self.as_b.call(AUTH + "Login", username="admin", password=self.server.admin_password)
        for kind in ("CREDENTIAL_KIND_ACCESS_TOKEN", "CREDENTIAL_KIND_SESSION_TOKEN"):
            bound = self.login(kind=kind)["credential"]
            reply = self.as_b.call(AUTH + "Validate", bearer=asking.response["credential"], credential=bound)
            self.assertTrue(reply.response["active"])
            self.assertEqual(base64.b64decode(reply.response["certificate_sha256"]), sha256_of(self.a[0]))

    def test_who_asks_with_a_bound_credential_needs_its_certificate(self):
        bound = self.login()["credential"]
        reply = self.as_b.call(AUTH + "Validate", bearer=bound, credential=bound)
        self.assertServiceRefused(reply, UNAUTHENTICATED, "TOKEN_INVALID")
        self.assertTrue(self.as_a.call(AUTH + "Validate", bearer=bound, credential=bound).response["active"])

    def test_a_connection_without_a_client_certificate_cannot_be_bound_to(self):
        path = self.folder / "plain"
        path.mkdir()
        server = self.start(Server, path)
        reply = server.grpc.call(AUTH + "Login", username="admin", password=server.admin_password,
                                 bind_to_certificate=True)
        self.assertServiceRefused(reply, INVALID_ARGUMENT, "INVALID_ARGUMENT", "bind_to_certificate")


class TheCommand(TlsCase):
    def test_trusts_only_the_authority_it_is_given(self):
        server = self.start_server()
        right = Command(self.folder, server.address, "--tls-ca", str(self.authority.ca))
        self.assertEqual(right.run("login", "admin", "--password-stdin", stdin=server.admin_password)[0], 0)
        self.assertEqual(right.json("whoami")["username"], "admin")
        wrong = Command(self.folder, server.address, "--tls-ca", str(self.other_authority.ca), "--timeout", "2s")
        code, out, err = wrong.run("health")
        self.assertEqual((code, out), (2, ""), err)

    def test_uses_unix_sockets(self):
        path = self.folder / "socket"
        server = self.start(Server, self.folder, "--listen", f"unix:{path}")
        command = Command(self.folder, f"unix:{path}")
        self.assertEqual(command.run("login", "admin", "--password-stdin", stdin=server.admin_password)[0], 0)
        self.assertEqual(command.json("whoami")["username"], "admin")


if __name__ == "__main__":
    unittest.main()
