"""A server or the database is killed, at the worst moments: whatever was acknowledged is there afterwards, and what was
not is there as a whole or not at all."""

import itertools
import signal
import unittest

from cluster import Ledger, Load, MysqlServer, StoreCase, figure, kill, rounds
from harness import OK, until
from rpc import Rpc

# Where a server dies: before or after the database has run the statement, or while it is on its way.
DEATHS = [(point, pattern, within) for point in ("before", "during", "after") for pattern, within in (
    ("^INSERT INTO sessions", None), ("^UPDATE sessions SET generation", None),
    ("^UPDATE sessions SET revoked_at", None),
    ("^INSERT INTO revocations", None), ("^UPDATE revocation_sequencer", None),
    ("^COMMIT", "^INSERT INTO revocations"))]


class ServerKilled(StoreCase):
    """Two servers; the one that is killed works through a proxy, the other sees what has become of it."""

    def setUp(self):
        super().setUp()
        self.proxy = self.start_proxy()
        self.witness = self.start(MysqlServer, self.shared_folder, [self.database.port], name="witness")
        self.victim = None
        self.addCleanup(lambda: self.victim and self.victim.close())
        self.start_victim()
        self.username, self.password = self.add_user(self.witness)

    def start_victim(self, port=0):
        self.victim = MysqlServer(self.shared_folder, [self.proxy.port], name="victim", port=port)

    def bury_victim(self):
        self.assertEqual(self.victim.wait(), -signal.SIGKILL)
        victim, self.victim = self.victim, None
        victim.close()

    def test_acknowledged_logins_refreshes_and_logouts_hold_wherever_a_server_dies(self):
        deaths, port = itertools.cycle(DEATHS), self.victim.port
        ledger, before = Ledger(), self.count_sessions()
        for number in rounds("a server killed at a named point", short=len(DEATHS), long=1000, share=0.6):
            death = next(deaths)
            self.one_death(ledger, *death)
            self.start_victim(port)
            if number % 25 == 24:
                self.check(ledger, before)
                ledger, before = Ledger(), self.count_sessions()
        self.check(ledger, before)

    def one_death(self, ledger, point, pattern, within):
        """Calls of each kind until the server is dead, then what was left open is done again with the other."""
        rule = self.proxy.at(point, pattern, kill(self.victim.process), within=within)
        rpc = Rpc(self.victim.address)
        records = [ledger.login(self.witness.rpc, self.username, self.password) for _ in range(2)]
        last = ledger.login(rpc, self.username, self.password)
        records += [last] if last is not None else []
        for record in records:
            ledger.refresh(rpc, record)
            ledger.logout(rpc, record)
        rpc.close()
        rule.wait()
        self.proxy.forget_rules()
        self.bury_victim()
        for record in records:
            if record.refresh_unknown and not record.logout_done:
                reply = ledger.refresh(self.witness.rpc, record)
                self.assertTrue(reply.code == OK or reply.reason == "TOKEN_REVOKED", reply)

    def count_sessions(self):
        return self.database.value("SELECT COUNT(*) FROM sessions")

    def check(self, ledger, before):
        ledger.check(self.database)
        ledger.check_unaccounted(self.database, before)
        ledger.check_answers(self.witness.rpc)


class DatabaseKilled(StoreCase):
    def test_acknowledged_logins_refreshes_and_logouts_hold_when_the_database_dies_under_load(self):
        server = self.start(MysqlServer, self.shared_folder, [self.database.port])
        username, password = self.add_user(server)
        compared = 0
        for _ in rounds("the database killed under load", short=3, long=200, share=0.4):
            ledger, before = Ledger(), self.database.value("SELECT COUNT(*) FROM sessions")
            with Load(ledger, server.rpc, username, password) as load:
                until(lambda load=load: len(load.acknowledged_at) >= 20)
                self.database.kill()
                self.database.start()
                back = len(load.acknowledged_at)
                until(lambda load=load, back=back: len(load.acknowledged_at) >= back + 5)
            compared += ledger.check(self.database)
            ledger.check_unaccounted(self.database, before)
            ledger.check_answers(server.rpc, most=20)
            self.assertGreater(ledger.failed, 0, "nobody has noticed that the database was gone")
        figure(f"{compared} acknowledged sessions compared with the database")


if __name__ == "__main__":
    unittest.main()
