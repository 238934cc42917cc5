"""Refresh tokens are used once, and the access tokens they buy are short-lived."""

import concurrent.futures
import time
import unittest

from harness import AUTH, Case, INVALID_ARGUMENT, OK, Server, UNAUTHENTICATED


class RefreshCase(Case):
    def refresh(self, server, login):
        return server.grpc.call(AUTH + "Refresh", refresh_token=login["refresh_token"])


class Refresh(RefreshCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_shared(Server, cls.shared_folder)

    def test_buys_the_next_access_token_of_the_same_session(self):
        login = self.server.login(audiences=["orders"], scopes=["watchword.validate"])
        reply = self.refresh(self.server, login)
        self.assertEqual(reply.code, OK, reply)
        renewed = reply.response
        self.assertEqual(renewed["session_id"], login["session_id"])
        self.assertEqual(renewed["scopes"], ["watchword.validate"])
        self.assertEqual(renewed["token_type"], "Bearer")
        self.assertNotEqual(renewed["refresh_token"], login["refresh_token"])
        self.assertNotEqual(renewed["credential"], login["credential"])
        self.assertEqual(self.server.validate(renewed["credential"])["audiences"], ["orders"])

    def test_lost_reply_and_racing_clients_get_the_same_successor(self):
        login = self.server.login()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: self.refresh(self.server, login), range(16)))
        self.assertEqual({reply.code for reply in replies}, {OK})
        self.assertEqual(len({reply.response["refresh_token"] for reply in replies}), 1)

    def test_forged_malformed_and_foreign_are_refused(self):
        for token in ("nonsense", "ww_r_", "ww_r_" + "A" * 80, self.server.login()["refresh_token"][:-1]):
            reply = self.server.grpc.call(AUTH + "Refresh", refresh_token=token)
            self.assertServiceRefused(reply, UNAUTHENTICATED, "TOKEN_INVALID")
        self.assertServiceRefused(self.server.grpc.call(AUTH + "Refresh"), INVALID_ARGUMENT, "INVALID_ARGUMENT",
                                  "refresh_token")

    def test_other_credentials_buy_nothing(self):
        login = self.server.login()
        session = self.server.login(kind="CREDENTIAL_KIND_SESSION_TOKEN")
        for credential in (login["credential"], session["credential"]):
            reply = self.server.grpc.call(AUTH + "Refresh", refresh_token=credential)
            self.assertServiceRefused(reply, UNAUTHENTICATED, "TOKEN_INVALID")


class ReuseWithoutGrace(RefreshCase):
    def test_ends_the_session_and_its_access_tokens(self):
        server = self.start(Server, self.folder, "--refresh-grace", "0s")
        login = server.login()
        renewed = self.refresh(server, login).response
        self.assertServiceRefused(self.refresh(server, login), UNAUTHENTICATED, "REFRESH_TOKEN_REUSED")
        for each in (login, renewed):
            self.assertInactive(server.validate(each["credential"]), "TOKEN_REVOKED")
            self.assertServiceRefused(self.refresh(server, each), UNAUTHENTICATED, "TOKEN_REVOKED")
        server.wait_for_message("a refresh token was used twice; its session is ended")


class ExpiredAccessToken(RefreshCase):
    """Verifiers give 30 s of leeway for clocks that differ, so this takes as long."""

    def test_is_refused_yet_still_logs_out(self):
        server = self.start(Server, self.folder, "--access-token-ttl", "1s")
        login = server.login()
        self.assertActive(server.validate(login["credential"]))
        began = time.monotonic()
        while (validation := server.validate(login["credential"])).get("active"):
            self.assertLess(time.monotonic() - began, 60)
            time.sleep(1)
        self.assertInactive(validation, "TOKEN_EXPIRED")
        self.assertGreater(time.monotonic() - began, 25, "the leeway was not given")
        renewed = self.refresh(server, login).response
        self.assertActive(server.validate(renewed["credential"]))

        self.assertEqual(server.grpc.call(AUTH + "Logout", bearer=login["credential"]).code, OK)
        self.assertServiceRefused(self.refresh(server, renewed), UNAUTHENTICATED, "TOKEN_REVOKED")
        self.assertInactive(server.validate(renewed["credential"]), "TOKEN_REVOKED")


class EndOfSessions(RefreshCase):
    def test_session_token_ends_when_unused(self):
        server = self.start(Server, self.folder, "--session-idle-timeout", "1s")
        login = server.login(kind="CREDENTIAL_KIND_SESSION_TOKEN")
        self.assertActive(server.validate(login["credential"]))
        time.sleep(1.2)
        self.assertInactive(server.validate(login["credential"]), "TOKEN_EXPIRED")

    def test_refresh_token_ends_with_its_session(self):
        server = self.start(Server, self.folder, "--session-lifetime", "1s", "--session-idle-timeout", "1s")
        login = server.login()
        time.sleep(1.2)
        self.assertServiceRefused(self.refresh(server, login), UNAUTHENTICATED, "TOKEN_EXPIRED")


if __name__ == "__main__":
    unittest.main()
