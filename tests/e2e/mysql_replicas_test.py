"""Several servers on one store: any of them serves any call, and one that is killed is not missed."""

import concurrent.futures
import signal
import unittest

from cluster import DATABASE, Ledger, Load, MysqlServer, StoreCase, figure, rounds
from harness import AUTH, OK, UNAUTHENTICATED, Orders, until
from rpc import Retrying, Rpc

NAMES = ("one", "two", "three")


class Replicas(StoreCase):
    def setUp(self):
        super().setUp()
        # The servers of the test before were killed, and what they told of their verifiers counts for a while.
        self.database.sql("DELETE FROM replicas", DATABASE)
        self.servers = {}
        self.addCleanup(lambda: [server.close() for server in self.servers.values()])
        for name in NAMES:
            self.start_server(name)
        self.ports = {name: server.port for name, server in self.servers.items()}
        addresses = [server.address for server in self.servers.values()]
        self.rpc = Rpc(*addresses)
        self.addCleanup(self.rpc.close)
        self.username, self.password = self.add_user(self.servers["one"])
        account = self.servers["one"].service_account()
        # Each prefers another server, and goes to the next when that is away.
        self.verifiers = [self.start(Orders, "ipv4:" + ",".join(addresses[i:] + addresses[:i]), account)
                          for i in (0, 1)]
        for verifier in self.verifiers:
            verifier.wait_for_trust(self.login("one")["credential"])

    def start_server(self, name, port=0):
        self.servers[name] = MysqlServer(self.shared_folder, [self.database.port], name=name, port=port)

    def kill_server(self, name):
        server = self.servers.pop(name)
        self.assertEqual(server.end(signal.SIGKILL), -signal.SIGKILL)
        server.close()

    def login(self, name):
        return self.servers[name].rpc.must(AUTH + "Login", username=self.username, password=self.password,
                                           audiences=["orders", MysqlServer.ISSUER])

    def logout(self, name, login, **request):
        return self.servers[name].rpc.must(AUTH + "Logout", bearer=login["credential"], **request)

    def assertRefusedByAll(self, credential):
        for verifier in self.verifiers:
            reply = verifier.list(credential)
            self.assertEqual((reply.code, reply.reason), (UNAUTHENTICATED, "TOKEN_REVOKED"), reply)

    def test_logout_waits_for_the_verifiers_of_all_servers(self):
        for name in NAMES:
            login = self.login("one")
            self.assertEqual([verifier.list(login["credential"]).code for verifier in self.verifiers], [OK, OK])
            tally = self.logout(name, login, wait_for_verifiers=True)
            self.assertEqual((tally["verifiers_acknowledged"], tally["verifiers_live"]), (2, 2))
            self.assertRefusedByAll(login["credential"])

    def test_verifier_of_another_server_that_does_not_answer_is_not_counted_as_having_acknowledged(self):
        login, stopped = self.login("one"), self.verifiers[1]
        stopped.process.send_signal(signal.SIGSTOP)
        try:
            tally = self.logout("three", login, wait_for_verifiers=True, timeout=2)
        finally:
            stopped.process.send_signal(signal.SIGCONT)
        self.assertEqual((tally["verifiers_acknowledged"], tally["verifiers_live"]), (1, 2))
        until(lambda: stopped.list(login["credential"]).code == UNAUTHENTICATED)

    def test_logout_at_one_server_holds_at_the_others(self):
        for at, elsewhere in (("one", "two"), ("two", "three"), ("three", "one")):
            login = self.login(at)
            self.logout(elsewhere, login)
            for server in self.servers.values():
                until(lambda server=server, login=login: server.rpc.must(
                    AUTH + "Validate", bearer=login["credential"]).get("reason") == "TOKEN_REVOKED")
                reply = server.rpc.call(AUTH + "Refresh", refresh_token=login["refresh_token"])
                self.assertEqual(reply.reason, "TOKEN_REVOKED")

    def test_one_refresh_token_used_at_all_servers_at_once_has_one_successor(self):
        with concurrent.futures.ThreadPoolExecutor(12) as threads:
            for _ in rounds("a refresh token used 12 times at three servers", short=5, long=2000, share=0.3):
                login = self.login("one")
                replies = list(threads.map(lambda i, login=login: self.servers[NAMES[i % 3]].rpc.must(
                    AUTH + "Refresh", refresh_token=login["refresh_token"]), range(12)))
                self.assertEqual(len({reply["refresh_token"] for reply in replies}), 1)
                self.assertEqual(self.database.value("SELECT generation FROM sessions WHERE id = UNHEX(%s)",
                                                     login["session_id"].replace("-", "")), 1)

    def test_killed_server_costs_no_call_that_is_tried_again_and_no_revocation(self):
        ledger, answered = Ledger(audiences=["orders", MysqlServer.ISSUER]), 0
        with Load(ledger, Retrying(self.rpc), self.username, self.password) as load:
            for number in rounds("one of three servers killed under load", short=3, long=500, share=0.6):
                name = NAMES[number % 3]
                self.wait_for_more(load, 15)
                self.kill_server(name)
                self.wait_for_more(load, 15)
                self.start_server(name, self.ports[name])
        self.assertEqual(ledger.failed, 0, "a client that tries again has seen a failure")
        answered += ledger.answered
        ledger.check(self.database)
        ledger.check_answers(self.servers["one"].rpc)
        # Whatever the verifiers missed, they have got from another server or when they came back.
        self.logout("one", self.login("one"), wait_for_verifiers=True)
        ended = [record for record in ledger.sessions.values() if record.logout_done]
        self.assertGreater(len(ended), 0)
        for record in ended[-200:]:
            self.assertRefusedByAll(record.credential)
        figure(f"{answered} calls answered, none failed; {len(ended)} logouts, none lost")

    @staticmethod
    def wait_for_more(load, count):
        before = len(load.acknowledged_at)
        until(lambda: len(load.acknowledged_at) >= before + count)


if __name__ == "__main__":
    unittest.main()
