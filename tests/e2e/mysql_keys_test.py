"""Signing keys of servers that share a store: one new key, whoever rotates, and none that others do not know."""

import base64
import concurrent.futures
import json
import signal
import unittest

from cluster import DATABASE, MysqlServer, StoreCase
from harness import ADMIN, AUTH, OK, Orders, until

NAMES = ("one", "two")


def key_of(credential):
    header = credential.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]


class SharedKeys(StoreCase):
    def setUp(self):
        super().setUp()
        self.database.sql("DELETE FROM replicas", DATABASE)
        self.servers = {}
        self.addCleanup(lambda: [server.close() for server in self.servers.values()])
        self.proxy = self.start_proxy()
        self.start_server("one", self.database.port)
        self.start_server("two", self.proxy.port)
        self.username, self.password = self.add_user(self.servers["one"])

    def start_server(self, name, port):
        self.servers[name] = MysqlServer(self.shared_folder, [port], "--key-publication-time", "5s", name=name)

    def login(self, name):
        return self.servers[name].rpc.must(AUTH + "Login", username=self.username, password=self.password,
                                           audiences=["orders", MysqlServer.ISSUER])["credential"]

    def rotate(self, name, **request):
        server = self.servers[name]
        return server.rpc.call(ADMIN + "RotateSigningKey", bearer=self.admin(server), **request)

    def states(self):
        keys = self.servers["one"].rpc.must(ADMIN + "ListSigningKeys", bearer=self.admin(self.servers["one"]))["keys"]
        return {key["kid"]: key["state"].removeprefix("SIGNING_KEY_STATE_").lower() for key in keys}

    def validates(self, name, credential):
        return self.servers[name].rpc.must(AUTH + "Validate", bearer=credential).get("active", False)

    def test_two_servers_that_rotate_at_once_leave_one_new_key(self):
        before = self.states()
        with concurrent.futures.ThreadPoolExecutor(2) as threads:
            replies = list(threads.map(self.rotate, NAMES))
        self.assertEqual([reply.code for reply in replies], [OK, OK])
        new = {reply.response["key"]["kid"] for reply in replies}
        self.assertEqual(len(new), 1)
        self.assertEqual(set(self.states()) - set(before), new)
        until(lambda: self.states()[next(iter(new))] == "active")
        for name in NAMES:
            until(lambda name=name: key_of(self.login(name)) in new)
            for elsewhere in NAMES:
                self.assertTrue(self.validates(elsewhere, self.login(name)))

    def test_no_key_signs_that_a_verifier_of_another_server_does_not_hold(self):
        two = self.servers["two"]
        verifier = self.start(Orders, two.address, two.service_account())
        verifier.wait_for_trust(self.login("two"))
        verifier.process.send_signal(signal.SIGSTOP)  # its feed stays open
        new = self.rotate("one").response["key"]["kid"]
        # Long enough for both servers to have told each other what they know, several times.
        reports = self.reports()
        until(lambda: all(now != then for now, then in zip(self.reports(), reports)))
        reports = self.reports()
        until(lambda: all(now != then for now, then in zip(self.reports(), reports)))
        self.assertEqual(self.states()[new], "published")
        self.assertNotEqual(key_of(self.login("one")), new)
        verifier.process.send_signal(signal.SIGCONT)
        until(lambda: self.states()[new] == "active")
        until(lambda: key_of(self.login("one")) == new)
        self.assertEqual(verifier.list(self.login("one")).code, OK)

    def reports(self):
        return [row[0] for row in self.database.query("SELECT reported_at FROM replicas ORDER BY id")]

    def test_a_server_that_is_cut_off_from_the_store_signs_nothing_that_others_do_not_know(self):
        cut_off = self.servers["two"]
        known = self.login("two")
        self.assertTrue(self.validates("two", known))  # whose name it has looked up
        self.proxy.go_away()
        new = self.rotate("one").response["key"]["kid"]
        until(lambda: self.states()[new] == "active")
        reply = cut_off.rpc.call(AUTH + "Login", username=self.username, password=self.password)
        self.assertTrue(reply.is_outage, reply)
        self.assertTrue(self.validates("one", known), "what it has signed before goes on")
        self.assertTrue(self.validates("two", known))
        unread = self.login("one")
        self.assertEqual(key_of(unread), new)
        reply = cut_off.rpc.call(AUTH + "Validate", bearer=unread)
        self.assertTrue(reply.is_outage, "a key that could not be read is no bad credential")
        verdict = cut_off.rpc.must(AUTH + "Validate", bearer=known[:-8] + "AAAAAAAA")
        self.assertEqual(verdict.get("reason"), "TOKEN_INVALID")
        self.proxy.come_back()
        until(lambda: cut_off.rpc.call(AUTH + "Login", username=self.username, password=self.password).code == OK)
        until(lambda: key_of(self.login("two")) == new)

    def test_what_a_compromised_key_has_signed_is_refused_by_the_other_server(self):
        credential = self.login("one")
        one = self.servers["one"]
        stolen = key_of(credential)
        one.rpc.must(ADMIN + "RetireSigningKey", bearer=self.admin(one), kid=stolen, compromised=True)
        until(lambda: not self.validates("two", credential))
        until(lambda: key_of(self.login("two")) != stolen)
        self.assertTrue(self.validates("one", self.login("two")))


if __name__ == "__main__":
    unittest.main()
