"""What was acknowledged holds, however the server ends."""

import signal
import time
import unittest

from harness import (ADMIN, AUTH, Case, OK, Process, Server, TRUST, UNAUTHENTICATED, UNAVAILABLE,
                     grpcurl_path)

ROUNDS = 20


class Killed(Case):
    def test_acknowledged_logins_logouts_and_refreshes_hold(self):
        server = self.start(Server, self.folder)
        port, live, dead = server.port, [], []
        for _ in range(ROUNDS):
            login, other, session = server.login(), server.login(), server.login(kind="CREDENTIAL_KIND_SESSION_TOKEN")
            renewed = server.grpc.call(AUTH + "Refresh", refresh_token=login["refresh_token"]).response
            self.assertEqual(server.grpc.call(AUTH + "Logout", bearer=other["credential"]).code, OK)
            server.end(signal.SIGKILL)
            live += [renewed, session]
            dead.append(other)
            server = self.start(Server, self.folder, port=port)
            for each in live[-2:]:
                self.assertActive(server.validate(each["credential"]))
            again = server.grpc.call(AUTH + "Refresh", refresh_token=login["refresh_token"]).response
            self.assertEqual(again["refresh_token"], renewed["refresh_token"], "the successor is another one now")
            self.assertInactive(server.validate(other["credential"]), "TOKEN_REVOKED")
        for each in live:
            self.assertActive(server.validate(each["credential"]))
        for each in dead:
            self.assertInactive(server.validate(each["credential"]), "TOKEN_REVOKED")
            reply = server.grpc.call(AUTH + "Refresh", refresh_token=each["refresh_token"])
            self.assertServiceRefused(reply, UNAUTHENTICATED, "TOKEN_REVOKED")

    def test_acknowledged_changes_of_accounts_hold(self):
        server = self.start(Server, self.folder)
        password = server.add_user("anna", scopes=["orders.read"])
        server.end(signal.SIGKILL)
        server = self.start(Server, self.folder)
        credential = server.login("anna", password)["credential"]
        server.grpc.call(ADMIN + "DisableUser", bearer=server.login()["credential"], username="anna")
        server.end(signal.SIGKILL)
        server = self.start(Server, self.folder)
        self.assertInactive(server.validate(credential), "TOKEN_REVOKED")
        reply = server.grpc.call(AUTH + "Login", username="anna", password=password)
        self.assertServiceRefused(reply, UNAUTHENTICATED, "INVALID_CREDENTIALS")


class Asked(Case):
    def test_sigterm_ends_it_with_exit_code_0_and_everything_holds(self):
        server = self.start(Server, self.folder)
        stays, goes = server.login(), server.login()
        server.grpc.call(AUTH + "Logout", bearer=goes["credential"])
        self.assertEqual(server.end(signal.SIGTERM), 0, server.output())
        server.wait_for_message("stopped")
        self.assertEqual(server.stderr(), "")
        server = self.start(Server, self.folder)
        self.assertActive(server.validate(stays["credential"]))
        self.assertInactive(server.validate(goes["credential"]), "TOKEN_REVOKED")

    def test_sigint_does_the_same(self):
        self.assertEqual(self.start(Server, self.folder).end(signal.SIGINT), 0)

    def test_open_feed_does_not_hold_up_the_end(self):
        server = self.start(Server, self.folder, "--drain-timeout", "1m")
        watcher = self.start_watcher(server)
        began = time.monotonic()
        self.assertEqual(server.end(signal.SIGTERM), 0)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(watcher.wait(), 64 + UNAVAILABLE, "the feed ends with UNAVAILABLE")

    def test_second_signal_ends_it_at_once(self):
        server = self.start(Server, self.folder, "--drain-delay", "5m")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_message("stopping")
        began = time.monotonic()
        self.assertEqual(server.end(signal.SIGTERM), 130)
        self.assertLess(time.monotonic() - began, 5)

    def test_while_draining_it_serves_but_is_not_ready(self):
        server = self.start(Server, self.folder, "--drain-delay", "5m")
        login = server.login()
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_message("not ready")
        for service, status in {"watchword.v1.AuthService": "NOT_SERVING", "": "NOT_SERVING",
                                "liveness": "SERVING"}.items():
            self.assertEqual(server.grpc.call("grpc.health.v1.Health/Check", service=service).response["status"], status)
        self.assertActive(server.validate(login["credential"]))

    def start_watcher(self, server):
        watcher = self.start(Process, grpcurl_path(), "-plaintext", "-expand-headers", "-H",
                             "authorization: Bearer ${BEARER}", "-d", '{"hello": {"verifier": "test"}}',
                             server.address, TRUST + "Watch", BEARER=server.verifier_login())
        watcher.wait_for_line(lambda line: "heartbeat" in line)
        return watcher


if __name__ == "__main__":
    unittest.main()
