"""The main story: a service checks its callers by itself, and whoever logs out is out everywhere at once."""

import base64
import hashlib
import json
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest
import urllib.request

from harness import (ADMIN, AUTH, Case, OK, ORDERS, Orders, PERMISSION_DENIED, Server, TRUST, UNAUTHENTICATED,
                     UNAVAILABLE, clean_environment, grpcurl_path, remember, until)


class TheMainStory(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_shared(Server, cls.shared_folder)
        cls.orders = cls.start_shared(Orders, cls.server.address, cls.server.service_account())
        cls.password = cls.server.add_user("anna", scopes=["orders.read", "orders.write"])
        cls.admin = cls.server.login()["credential"]
        cls.orders.wait_for_trust(cls.server.login("anna", cls.password, audiences=["orders"])["credential"])

    def login(self, **request):
        return self.server.login("anna", self.password, **{"audiences": ["orders"], "include_username": True, **request})

    def assertAccepted(self, credential):
        reply = self.orders.list(credential)
        self.assertEqual(reply.code, OK, reply)

    def assertRefusedAtOnce(self, credential):
        """What was just revoked: the next call is refused. A loaded machine gets a second of grace, not more."""
        began = time.monotonic()
        reply = self.orders.list(credential)
        while reply.code == OK and time.monotonic() - began < 1:
            reply = self.orders.list(credential)
        self.assertRefused(reply, UNAUTHENTICATED, "TOKEN_REVOKED")
        print(f"refused after {1000 * (time.monotonic() - began):.0f} ms at most")

    def test_caller_is_greeted_by_name(self):
        reply = self.orders.list(self.login()["credential"])
        self.assertEqual(reply.response["greeting"], "Hello, anna!")

    def test_caller_who_keeps_the_name_private_is_known_by_the_subject(self):
        login = self.login(include_username=False)
        subject = self.server.validate(login["credential"])["principal"]["subject"]
        self.assertEqual(self.orders.list(login["credential"]).response["greeting"], f"Hello, {subject}!")

    def test_after_logout_the_next_call_is_refused(self):
        credential = self.login()["credential"]
        self.assertAccepted(credential)
        self.assertEqual(self.server.grpc.call(AUTH + "Logout", bearer=credential).code, OK)
        self.assertRefusedAtOnce(credential)

    def test_logout_of_one_session_leaves_the_others(self):
        gone, stays = self.login()["credential"], self.login()["credential"]
        self.server.grpc.call(AUTH + "Logout", bearer=gone)
        self.assertRefusedAtOnce(gone)
        self.assertAccepted(stays)

    def test_logout_of_all_sessions_reaches_all(self):
        credentials = [self.login()["credential"] for _ in range(3)]
        self.server.grpc.call(AUTH + "Logout", bearer=credentials[0], all_sessions=True)
        for credential in credentials:
            self.assertRefusedAtOnce(credential)
        self.assertAccepted(self.login()["credential"])

    def test_session_revoked_by_an_administrator_is_refused(self):
        login = self.login()
        self.assertAccepted(login["credential"])
        self.server.grpc.call(ADMIN + "RevokeSessions", bearer=self.admin, session_id=login["session_id"])
        self.assertRefusedAtOnce(login["credential"])

    def test_all_sessions_of_a_disabled_user_are_refused(self):
        password = self.server.add_user("bert")
        credentials = [self.server.login("bert", password, audiences=["orders"])["credential"] for _ in range(2)]
        self.assertAccepted(credentials[0])
        self.server.grpc.call(ADMIN + "DisableUser", bearer=self.admin, username="bert")
        for credential in credentials:
            self.assertRefusedAtOnce(credential)

    def test_reuse_of_a_refresh_token_shuts_out_thief_and_owner(self):
        # The grace period of this server is 10 s: the token of two generations ago is beyond it at once.
        login = self.login()
        newest = login
        for _ in range(2):
            newest = self.server.grpc.call(AUTH + "Refresh", refresh_token=newest["refresh_token"]).response
        self.assertAccepted(newest["credential"])
        reply = self.server.grpc.call(AUTH + "Refresh", refresh_token=login["refresh_token"])
        self.assertServiceRefused(reply, UNAUTHENTICATED, "REFRESH_TOKEN_REUSED")
        self.assertRefusedAtOnce(newest["credential"])

    def test_keys_that_a_token_points_at_are_never_fetched(self):
        header, rest = self.login()["credential"].split(".", 1)
        header = json.loads(base64.urlsafe_b64decode(header + "=="))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
            for more in ({"jku": url}, {"x5u": url}, {"jwk": {"kty": "EC"}}, {"jku": url, "kid": "unknown"}):
                forged = base64.urlsafe_b64encode(json.dumps(header | more).encode()).decode().rstrip("=") + "." + rest
                self.assertRefused(self.orders.list(forged), UNAUTHENTICATED, "TOKEN_INVALID")
                self.assertEqual(self.server.validate(forged)["reason"], "TOKEN_INVALID")
            with self.assertRaises(BlockingIOError, msg="somebody connected"):
                listener.accept()

    def test_method_with_a_scope_needs_it(self):
        reading = self.login(scopes=["orders.read"])["credential"]
        self.assertAccepted(reading)
        reply = self.orders.grpc.call(ORDERS + "CancelOrder", bearer=reading, order="1")
        self.assertRefused(reply, PERMISSION_DENIED, "INSUFFICIENT_SCOPE")
        reply = self.orders.grpc.call(ORDERS + "CancelOrder", bearer=self.login()["credential"], order="1")
        self.assertEqual(reply.response, {"cancelled_by": "anna"}, reply)

    def test_anonymous_method_needs_nothing_and_others_do(self):
        self.assertEqual(self.orders.grpc.call(ORDERS + "GetStatus").response, {"status": "ok"})
        self.assertRefused(self.orders.grpc.call(ORDERS + "ListOrders"), UNAUTHENTICATED, "TOKEN_MISSING")

    def test_credential_for_another_service_is_none_here(self):
        for audience in ("order", "orders2", Server.ISSUER):
            self.assertRefused(self.orders.list(self.login(audiences=[audience])["credential"]), UNAUTHENTICATED,
                               "TOKEN_INVALID")
        self.assertAccepted(self.login(audiences=["billing", "orders"])["credential"])

    def test_refresh_token_and_nonsense_are_no_credentials(self):
        login = self.login()
        for credential in (login["refresh_token"], "nonsense", login["credential"][:-4]):
            self.assertRefused(self.orders.list(credential), UNAUTHENTICATED, "TOKEN_INVALID")

    def test_two_credentials_are_none(self):
        credential = self.login()["credential"]
        reply = self.orders.grpc.call(ORDERS + "ListOrders", bearer=credential, headers=["authorization: Bearer x"])
        self.assertRefused(reply, UNAUTHENTICATED, "TOKEN_INVALID")


class Feed(Case):
    """What the service and the server tell each other."""

    def setUp(self):
        super().setUp()
        self.server = self.start(Server, self.folder)

    def start_orders(self, account):
        orders = self.start(Orders, self.server.address, account)
        orders.wait_for_trust(self.login())
        return orders

    def login(self):
        return self.server.login(audiences=["orders"])["credential"]

    def test_logout_that_waits_has_reached_every_service(self):
        services = [self.start_orders(self.server.service_account(name)) for name in ("orders", "others")]
        for _ in range(20):
            credential = self.login()
            self.assertEqual([each.list(credential).code for each in services], [OK, OK])
            ended = self.server.grpc.call(AUTH + "Logout", bearer=credential, wait_for_verifiers=True)
            self.assertEqual(ended.response, {"verifiers_acknowledged": 2, "verifiers_live": 2})
            for each in services:
                self.assertRefused(each.list(credential), UNAUTHENTICATED, "TOKEN_REVOKED")

    def test_service_that_does_not_answer_is_not_waited_for_beyond_the_deadline(self):
        stopped = self.start_orders(self.server.service_account())
        credential = self.login()
        stopped.process.send_signal(signal.SIGSTOP)
        try:
            ended = self.server.grpc.run("-max-time", "2", "-d", '{"wait_for_verifiers": true}', self.server.address,
                                         AUTH + "Logout", bearer=credential)
            self.assertEqual(json.loads(ended.stdout), {"verifiers_live": 1}, ended.stderr)
        finally:
            stopped.process.send_signal(signal.SIGCONT)
        until(lambda: stopped.list(credential).code == UNAUTHENTICATED)

    def test_killed_service_counts_as_lost(self):
        self.start_orders(self.server.service_account()).process.kill()
        until(lambda: "watchword_feed_verifiers 0" in self.metrics())
        ended = self.server.grpc.call(AUTH + "Logout", bearer=self.login(), wait_for_verifiers=True)
        self.assertEqual(ended.response, {"verifiers_lost": 1})

    def session_token(self):
        return self.server.login(audiences=["orders"], kind="CREDENTIAL_KIND_SESSION_TOKEN")["credential"]

    def count_of_validate(self):
        """How many calls of Validate the server has answered."""
        counts = re.findall(r'^watchword_rpcs_total\{[^}]*AuthService/Validate[^}]*\} (\d+)', self.metrics(), re.MULTILINE)
        return sum(int(each) for each in counts)

    def test_session_token_is_looked_up_once_and_dies_at_once(self):
        orders = self.start_orders(self.server.service_account())
        token = self.session_token()
        before = self.count_of_validate()
        for _ in range(20):
            self.assertEqual(orders.list(token).code, OK)
        self.assertEqual(self.count_of_validate(), before + 1)
        ended = self.server.grpc.call(AUTH + "Logout", bearer=token, wait_for_verifiers=True)
        self.assertEqual(ended.response, {"verifiers_acknowledged": 1, "verifiers_live": 1})
        self.assertRefused(orders.list(token), UNAUTHENTICATED, "TOKEN_REVOKED")

    def test_session_token_that_is_made_up_or_for_others_is_refused(self):
        orders = self.start_orders(self.server.service_account())
        content = b"x" * 32
        made_up = base64.urlsafe_b64encode(content + hashlib.sha256(b"ww_s_" + content).digest()[:4]).decode().rstrip("=")
        for token in ("ww_s_" + made_up, "ww_s_x", self.server.login(kind="CREDENTIAL_KIND_SESSION_TOKEN")["credential"]):
            self.assertRefused(orders.list(token), UNAUTHENTICATED, "TOKEN_INVALID")

    def test_session_token_that_was_met_is_accepted_while_the_server_is_away_and_a_new_one_is_an_outage(self):
        orders = self.start_orders(self.server.service_account())
        known, unknown = self.session_token(), self.session_token()
        self.assertEqual(orders.list(known).code, OK)
        self.server.end(signal.SIGKILL)
        self.assertEqual(orders.list(known).code, OK)
        self.assertRefused(orders.list(unknown), UNAVAILABLE, "TRUST_UNAVAILABLE")

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.ops_port}/metrics") as answer:
            return answer.read().decode()

    def test_idle_stream_ends_with_its_session(self):
        orders = self.start_orders(self.server.service_account())
        password = self.server.add_user("anna", scopes=["orders.read"])
        credential = self.server.login("anna", password, audiences=["orders"])["credential"]
        stream = subprocess.Popen([grpcurl_path(), "-plaintext", "-expand-headers", "-H",
                                   "authorization: Bearer ${BEARER}", orders.address, ORDERS + "WatchOrders"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  env=clean_environment(BEARER=credential))
        self.addCleanup(stream.kill)
        self.assertIn("{", stream.stdout.readline())  # it is open
        self.assertEqual(self.server.grpc.call(AUTH + "Logout", bearer=credential).code, OK)
        _, errors = stream.communicate(timeout=10)
        self.assertIn("Code: Canceled", errors)

    def test_only_an_account_with_the_scope_may_watch(self):
        for bearer, code in ((None, UNAUTHENTICATED), (self.server.login()["credential"], PERMISSION_DENIED)):
            reply = self.server.grpc.call(TRUST + "Watch", bearer=bearer, hello={"verifier": "x"})
            self.assertEqual(reply.code, code, reply)

    def test_rotated_secret_is_found_in_the_file(self):
        account = self.server.service_account()
        orders = self.start_orders(account)
        reply = self.server.grpc.call(ADMIN + "RotateServiceAccountSecret", bearer=self.server.login()["credential"],
                                      name="orders")
        account.write_text(json.dumps({"name": "orders", "secret": remember(reply.response["secret"])}))
        credential = self.login()
        self.assertEqual(orders.list(credential).code, OK)

        def logout_has_reached_it():
            self.server.grpc.call(AUTH + "Logout", bearer=credential)
            return orders.list(credential).code == UNAUTHENTICATED
        until(logout_has_reached_it)


class WithoutTheServer(Case):
    def login(self, server):
        return server.login(audiences=["orders"])["credential"]

    def test_service_goes_on_and_learns_what_happened_when_the_server_is_back(self):
        server = self.start(Server, self.folder)
        orders = self.start(Orders, server.address, server.service_account())
        credential, other = self.login(server), self.login(server)
        orders.wait_for_trust(credential)

        server.end(signal.SIGKILL)
        for _ in range(3):
            self.assertEqual(orders.list(credential).code, OK)
        self.assertRefused(orders.list("nonsense"), UNAUTHENTICATED, "TOKEN_INVALID")

        server = self.start(Server, self.folder, port=server.port)
        self.assertEqual(orders.list(credential).code, OK)
        self.assertEqual(server.grpc.call(AUTH + "Logout", bearer=credential).code, OK)
        began = time.monotonic()
        while orders.list(credential).code == OK:  # it must first find the server again
            self.assertLess(time.monotonic() - began, 15, "the feed was not taken up again")
        self.assertRefused(orders.list(credential), UNAUTHENTICATED, "TOKEN_REVOKED")
        self.assertEqual(orders.list(other).code, OK)
        self.assertEqual(orders.list(self.login(server)).code, OK)

    def test_service_that_starts_while_the_server_is_away_goes_on_from_its_snapshot(self):
        server = self.start(Server, self.folder)
        flags = ("--snapshot-file", self.folder / "trust")
        orders = self.start(Orders, server.address, server.service_account(), *flags)
        password = server.add_user("anna", scopes=["orders.write"])
        good, gone = (server.login("anna", password, audiences=["orders"])["credential"] for _ in range(2))
        orders.wait_for_trust(good)
        server.grpc.call(AUTH + "Logout", bearer=gone, wait_for_verifiers=True)
        self.assertEqual(orders.end(), 0)
        server.end(signal.SIGKILL)

        orders = self.start(Orders, server.address, server.service_account(), *flags)
        self.assertEqual(orders.list(good).code, OK)
        self.assertRefused(orders.list(gone), UNAUTHENTICATED, "TOKEN_REVOKED")
        cancel = ORDERS + "CancelOrder"  # its rule takes no risk
        self.assertRefused(orders.grpc.call(cancel, bearer=good, order="1"), UNAVAILABLE, "TRUST_STALE")
        self.start(Server, self.folder, port=server.port)
        until(lambda: orders.grpc.call(cancel, bearer=good, order="1").code == OK)

    def test_database_restored_from_a_backup_lets_nobody_back_in_and_is_followed(self):
        server = self.start(Server, self.folder)
        account = server.service_account()
        server.end()
        shutil.copytree(server.data, self.folder / "backup")
        server = self.start(Server, self.folder, port=server.port)
        orders = self.start(Orders, server.address, account)
        gone = self.login(server)
        orders.wait_for_trust(gone)
        server.grpc.call(AUTH + "Logout", bearer=gone, wait_for_verifiers=True)
        self.assertRefused(orders.list(gone), UNAUTHENTICATED, "TOKEN_REVOKED")
        server.end()
        shutil.rmtree(server.data)
        shutil.copytree(self.folder / "backup", server.data)
        server = self.start(Server, self.folder, port=server.port)

        fresh = [self.login(server)]

        def logout_reaches_it():  # as an entry whose number the service knows for another one
            fresh.append(self.login(server))
            ended = server.grpc.call(AUTH + "Logout", bearer=fresh[-1], wait_for_verifiers=True)
            return ended.response.get("verifiers_acknowledged") == 1
        until(logout_reaches_it)
        self.assertEqual(orders.list(fresh[0]).code, OK)
        for each in (gone, fresh[-1]):
            self.assertRefused(orders.list(each), UNAUTHENTICATED, "TOKEN_REVOKED")

    def test_logout_that_was_acknowledged_before_the_service_started_holds(self):
        server = self.start(Server, self.folder)
        gone, good = self.login(server), self.login(server)
        server.grpc.call(AUTH + "Logout", bearer=gone)
        server.end(signal.SIGKILL)
        server = self.start(Server, self.folder, port=server.port)
        orders = self.start(Orders, server.address, server.service_account())
        orders.wait_for_trust(good)
        self.assertRefused(orders.list(gone), UNAUTHENTICATED, "TOKEN_REVOKED")
        self.assertEqual(orders.list(good).code, OK)

    def test_service_that_starts_first_is_unavailable_then_works(self):
        first = self.start(Server, self.folder)
        credential, port, account = self.login(first), first.port, first.service_account()
        first.end()
        orders = self.start(Orders, f"127.0.0.1:{port}", account)
        self.assertRefused(orders.list(credential), UNAVAILABLE, "TRUST_UNAVAILABLE")
        self.assertEqual(orders.grpc.call(ORDERS + "GetStatus").code, OK)
        self.start(Server, self.folder, port=port)
        orders.wait_for_trust(credential)
        self.assertEqual(orders.list(credential).code, OK)

    def test_credential_of_another_server_of_the_same_name_is_refused(self):
        server = self.start(Server, self.make_folder(self.addCleanup))
        impostor = self.start(Server, self.folder)
        orders = self.start(Orders, server.address, server.service_account())
        orders.wait_for_trust(self.login(server))
        self.assertRefused(orders.list(self.login(impostor)), UNAUTHENTICATED, "TOKEN_INVALID")

    def test_both_servers_end_cleanly_when_asked(self):
        server = self.start(Server, self.folder)
        orders = self.start(Orders, server.address, server.service_account())
        orders.wait_for_trust(self.login(server))
        self.assertEqual(server.end(), 0, server.output())
        self.assertEqual(orders.end(), 0, orders.output())


if __name__ == "__main__":
    unittest.main()
