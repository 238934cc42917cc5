"""Failed logins slow down those that follow: what a guesser sees, and what everybody else does not feel."""

import concurrent.futures
import json
import signal
import time
import unittest
import urllib.request

from cluster import MysqlServer, StoreCase
from harness import (ADMIN, AUTH, Case, INVALID_ARGUMENT, OK, PERMISSION_DENIED, RESOURCE_EXHAUSTED, Server, UNAUTHENTICATED,
                     new_password, until)

FREE = 5  # failures of an account that block nothing


def audited(servers, **fields):
    """How many security events of the servers have these fields."""
    entries = [json.loads(line) for server in servers for line in list(server.lines) if '"audit"' in line]
    return sum(fields.items() <= entry.items() for entry in entries)


class Accounts(Case):
    def setUp(self):
        super().setUp()
        self.server = self.start(Server, self.folder)
        self.password = self.server.add_user("alice")

    def try_login(self, password, username="alice", **request):
        return self.server.grpc.call(AUTH + "Login", username=username, password=password, **request)

    def test_a_blocked_account_answers_as_to_a_wrong_password_until_the_block_ends(self):
        answers = [self.try_login(new_password()) for _ in range(FREE)]
        blocked_at = time.monotonic()
        answers.append(self.try_login(self.password))
        self.assertLess(time.monotonic() - blocked_at, 1, "too slow to see the block")
        self.assertEqual({(answer.code, answer.message) for answer in answers},
                         {(UNAUTHENTICATED, "INVALID_CREDENTIALS: wrong user name or password")})
        until(lambda: audited([self.server], event="login", cause="locked", username="alice") == 1)
        self.assertEqual(audited([self.server], event="login", cause="wrong_password", username="alice"), FREE)
        self.assertEqual(audited([self.server], event="account_locked", result="success", username="alice"), 1)
        until(lambda: self.try_login(self.password).code == OK)
        self.assertLess(time.monotonic() - blocked_at, 30)

    def test_an_administrator_opens_it_at_once(self):
        for _ in range(FREE + 5):
            self.try_login(new_password())
        admin = self.server.login()["credential"]
        self.assertEqual(self.server.grpc.call(ADMIN + "EnableUser", bearer=admin, username="alice").code, OK)
        self.assertEqual(self.try_login(self.password).code, OK)

    def test_what_was_counted_outlives_a_restart(self):
        for _ in range(FREE + 1):
            self.try_login(new_password())
            time.sleep(0.2)  # each that is judged blocks for longer
        until(lambda: self.try_login(new_password()) and
              audited([self.server], event="login", cause="wrong_password") >= FREE + 2)
        admin_password = self.server.admin_password
        self.assertEqual(self.server.end(signal.SIGTERM), 0)
        self.server = self.start(Server, self.folder, admin_password=admin_password)
        self.try_login(self.password)
        until(lambda: audited([self.server], event="login", cause="locked") == 1)


class Sources(Case):
    def setUp(self):
        super().setUp()
        self.server = self.start(Server, self.folder, "--source-free-failures", "3")

    def fail_logins(self, count, **request):
        for i in range(count):
            reply = self.server.grpc.call(AUTH + "Login", username=f"somebody{i}", password=new_password(), **request)
            self.assertEqual(reply.code, UNAUTHENTICATED, reply)

    def as_front_end(self, scopes):
        account = json.loads(self.server.service_account("front-end", scopes).read_text())
        return self.server.login(account["name"], account["secret"])["credential"]

    def login(self, **request):
        return self.server.grpc.call(AUTH + "Login", username="admin", password=self.server.admin_password, **request)

    def test_an_address_that_fails_too_often_is_told_how_long_to_wait(self):
        self.fail_logins(3)
        refused = self.login()
        self.assertEqual((refused.code, refused.reason), (RESOURCE_EXHAUSTED, "LOGIN_THROTTLED"), refused)
        self.assertIn("try again in 1 s", refused.message)
        self.assertIsNotNone(refused.detail("RetryInfo"), refused)
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{self.server.ops_port}/metrics", timeout=10).read().decode()
        self.assertIn("watchword_logins_throttled_total 1\n", metrics)
        until(lambda: self.login().code == OK)

    def test_a_front_end_says_whose_address_counts(self):
        front_end = self.as_front_end(["watchword.client_address"])
        self.fail_logins(3, bearer=front_end, client_address="2001:db8::1")
        refused = self.login(bearer=front_end, client_address="2001:db8::2")  # the same network
        self.assertEqual(refused.reason, "LOGIN_THROTTLED", refused)
        self.assertEqual(self.login(bearer=front_end, client_address="192.0.2.7").code, OK)
        self.assertEqual(self.login().code, OK, "the front end itself has not failed")
        self.assertEqual(audited([self.server], event="login", result="success", client="192.0.2.7"), 1)

    def test_an_address_is_not_believed_of_just_anybody(self):
        for bearer, code, reason in ((None, UNAUTHENTICATED, "TOKEN_MISSING"), ("x.y.z", UNAUTHENTICATED, "TOKEN_INVALID"),
                                     (self.server.login()["credential"], PERMISSION_DENIED, "INSUFFICIENT_SCOPE")):
            reply = self.login(bearer=bearer, client_address="192.0.2.7")
            self.assertEqual((reply.code, reply.reason), (code, reason), reply)
        front_end = self.as_front_end(["watchword.client_address"])
        for wrong in ("localhost", "192.0.2.7:80", "::1]"):
            reply = self.login(bearer=front_end, client_address=wrong)
            self.assertEqual(reply.code, INVALID_ARGUMENT, reply)
            self.assertIn("client_address", reply.message)
        self.assertEqual(audited([self.server], client="192.0.2.7"), 0)


class Replicas(StoreCase):
    def test_guesses_at_once_at_several_servers_are_judged_no_more_often_than_at_one(self):
        servers = [MysqlServer(self.shared_folder, [self.database.port], name=name) for name in ("one", "two")]
        for server in servers:
            self.addCleanup(server.close)
        name, password = self.add_user(servers[0])

        def guess(i):
            return servers[i % 2].grpc.call(AUTH + "Login", username=name, password=new_password()).code

        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            began = time.monotonic()
            codes = list(pool.map(guess, range(100)))
            took = time.monotonic() - began
        self.assertLessEqual(set(codes), {UNAUTHENTICATED, RESOURCE_EXHAUSTED})  # the latter of hashing on a busy machine
        answered = codes.count(UNAUTHENTICATED)
        self.assertGreater(answered, 2 * FREE)
        until(lambda: audited(servers, event="login", username=name) == answered)
        judged = audited(servers, event="login", username=name, cause="wrong_password")
        # Each second that the guesses took may have let one more in, and then two seconds, and so on.
        self.assertGreaterEqual(judged, FREE)
        self.assertLessEqual(judged, FREE + max(0, int(took)).bit_length())
        self.assertEqual(audited(servers, event="login", username=name, cause="locked"), answered - judged)


if __name__ == "__main__":
    unittest.main()
