"""TLS: what is on the port, who may connect, and that a bad certificate stops a call before it is made."""

import subprocess
import unittest

from harness import AUTH, Case, Command, Grpcurl, OK, Server


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
        grpc = Grpcurl(server.address, *trust, "-cert", certificate, "-key", key)
        reply = grpc.call(AUTH + "Login", username="admin", password=server.admin_password)
        self.assertEqual(reply.code, OK, reply)
        command = Command(self.folder, server.address, "--tls-ca", str(self.authority.ca), "--tls-cert",
                          str(certificate), "--tls-key", str(key))
        self.assertEqual(command.run("login", "admin", "--password-stdin", stdin=server.admin_password)[0], 0)


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
