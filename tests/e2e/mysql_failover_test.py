"""A primary gives way to its replica: on purpose, by dying, and by dying before the replica had everything."""

import contextlib
import time
import unittest

from cluster import DATABASE_PASSWORD, Database, Ledger, Load, MysqlServer, StoreCase, figure, migrate, rounds
from harness import AUTH, OK, Orders, UNAUTHENTICATED, until

RESUMES_WITHIN = 5  # seconds after a promotion
REPLICATION = ("--log-bin=binlog", "--binlog-format=ROW", "--gtid-strict-mode=1", "--log-slave-updates=1")
SEMI_SYNC = ("--rpl-semi-sync-slave-enabled=1", "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
             "--rpl-semi-sync-master-timeout=600000")


class Pair:
    """Two databases, of which the first is the primary in the beginning."""

    def __init__(self, folder, add_cleanup, *options):
        # The accounts are there before any of it is replicated, since a primary waits for its replica.
        self.primary = Database(folder / "first").prepare()
        add_cleanup(self.primary.kill)
        self.primary.stop()
        self.primary.options = ["--server-id=1", *REPLICATION, *options]
        self.replica = Database(folder / "second", "--server-id=2", "--read-only=1", *REPLICATION, *options,
                                files=self.primary.folder)
        add_cleanup(self.replica.kill)
        self.primary.start()
        self.ports = [self.primary.port, self.replica.port]
        self.follow(self.replica, self.primary)

    def follow(self, replica, primary):
        replica.sql("SET GLOBAL gtid_slave_pos = @@gtid_binlog_pos; "
                    f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port}, MASTER_USER='observer', "
                    f"MASTER_PASSWORD='{DATABASE_PASSWORD}', MASTER_USE_GTID=slave_pos, "
                    "MASTER_CONNECT_RETRY=1; START SLAVE")
        self.wait_until_applied()

    def wait_until_applied(self):
        """Until the replica has all that the primary has."""
        position = self.primary.rows("SELECT @@gtid_binlog_pos")[0][0]
        found = self.replica.rows(f"SELECT MASTER_GTID_WAIT('{position}', 60)")
        assert found == [["0"]], f"the replica does not follow: {self.replica.sql('SHOW SLAVE STATUS').stdout}"

    def use_semi_sync(self):
        """From now on nothing is acknowledged that the replica has not got."""
        self.primary.sql("SET GLOBAL rpl_semi_sync_master_enabled = 1")
        until(lambda: self.primary.rows("SHOW STATUS LIKE 'Rpl_semi_sync_master_clients'")[0][1] == "1")
        assert self.primary.rows("SHOW STATUS LIKE 'Rpl_semi_sync_master_status'")[0][1] == "ON"

    def promote(self):
        """Makes the replica the primary, with all that it has received. Returns when."""
        self.replica.sql("STOP SLAVE IO_THREAD")
        until(self.has_applied_what_it_received)
        self.replica.sql("STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = 0")
        self.primary, self.replica = self.replica, self.primary
        return time.monotonic()

    def has_applied_what_it_received(self):
        return "has read all relay log" in self.replica.sql("SHOW SLAVE STATUS").stdout

    def switch(self):
        """A planned switch. Returns when it was done."""
        self.primary.sql("SET GLOBAL read_only = 1")
        self.wait_until_applied()
        promoted = self.promote()
        # A replica writes a binary log, too, and would wait for a replica of its own.
        self.replica.sql("SET GLOBAL rpl_semi_sync_master_enabled = 0")
        self.follow(self.replica, self.primary)
        self.use_semi_sync()
        return promoted


class Failover(StoreCase):
    @classmethod
    def setUpClass(cls):
        super(StoreCase, cls).setUpClass()  # each test has a pair of its own

    def start_pair(self, *options):
        folder = self.make_folder(self.addCleanup)
        pair = Pair(folder, self.addCleanup, *options)
        migrate(folder, *pair.ports)
        pair.wait_until_applied()
        server = self.start(MysqlServer, folder, pair.ports)
        orders = self.start(Orders, server.address, server.service_account())
        orders.wait_for_trust(server.login(audiences=["orders"])["credential"])
        return pair, server, orders

    def wait_for_writes(self, load, promoted):
        """How long it took until one was acknowledged."""
        until(lambda: load.acknowledged_after(promoted) is not None)
        after = load.acknowledged_after(promoted) - promoted
        self.assertLessEqual(after, RESUMES_WITHIN)
        return after

    def assertRefusedBy(self, orders, credential):
        reply = orders.list(credential)
        self.assertEqual((reply.code, reply.reason), (UNAUTHENTICATED, "TOKEN_REVOKED"), reply)

    def log_out_everywhere(self, server, orders):
        """A credential that the verifier knows to be revoked: it may just be connecting again."""
        ended = []

        def verifier_was_told():
            ended.append(server.rpc.must(AUTH + "Login", username="admin", password=server.admin_password,
                                         audiences=["orders"])["credential"])
            told = server.rpc.must(AUTH + "Logout", bearer=ended[-1], wait_for_verifiers=True)
            return told.get("verifiers_acknowledged", 0) == 1
        until(verifier_was_told)
        self.assertRefusedBy(orders, ended[-1])
        return ended[-1]

    def test_nothing_acknowledged_is_lost_when_the_primary_is_switched_or_dies(self):
        switched, failed_over = [], []
        for _ in rounds("a primary switched over twice, then killed", short=1, long=50):
            pair, server, orders = self.start_pair(*SEMI_SYNC)
            pair.use_semi_sync()
            username, password = self.add_user(server)
            revoked, ledger = self.log_out_everywhere(server, orders), Ledger()
            with Load(ledger, server.rpc, username, password) as load:
                for end, took in ((pair.switch, switched), (pair.switch, switched),
                                  (lambda: self.kill(pair), failed_over)):
                    acknowledged = len(load.acknowledged_at)
                    until(lambda: len(load.acknowledged_at) >= acknowledged + 20)
                    took.append(self.wait_for_writes(load, end()))
                    self.assertRefusedBy(orders, revoked)
                acknowledged = len(load.acknowledged_at)
                until(lambda: len(load.acknowledged_at) >= acknowledged + 10)
            ledger.check(pair.primary)
            ledger.check_answers(server.rpc, most=50)
            self.assertNoNewEpoch(server)
            self.log_out_everywhere(server, orders)  # the feed goes on
        figure(f"writes went on at most {max(switched):.2f} s after {len(switched)} planned switches and at most "
               f"{max(failed_over):.2f} s after {len(failed_over)} failovers")

    @staticmethod
    def kill(pair):
        pair.primary.kill()
        return pair.promote()

    def assertNoNewEpoch(self, server):
        begun = [line for line in server.lines if "new epoch begins" in line]
        self.assertFalse(begun, "the log was taken for another one")

    def test_replica_without_the_end_of_the_log_begins_a_new_epoch_and_what_verifiers_knew_stays_revoked(self):
        for overtake in (False, True):
            with self.subTest(log_grows_beyond_what_was_lost=overtake):
                pair, server, orders = self.start_pair()
                kept = self.log_out_everywhere(server, orders)
                pair.wait_until_applied()
                pair.replica.sql("STOP SLAVE IO_THREAD")
                lost = [self.log_out_everywhere(server, orders) for _ in range(3)]
                epoch = pair.primary.value("SELECT HEX(epoch) FROM revocation_sequencer")
                self.kill(pair)
                if overtake:
                    self.grow_log(pair, 10)
                server.wait_for_line(lambda line: "new epoch begins" in line)
                until(lambda pair=pair, epoch=epoch:
                      pair.primary.value("SELECT HEX(epoch) FROM revocation_sequencer") != epoch)
                for credential in [kept, *lost]:
                    self.assertRefusedBy(orders, credential)
                    answer = server.rpc.call_with_retries(AUTH + "Validate", bearer=credential)
                    self.assertEqual(answer.response.get("reason"), "TOKEN_REVOKED", answer)
                until(lambda server=server: server.rpc.call(AUTH + "Login", username="admin",
                                                            password=server.admin_password).code == OK)
                self.assertRefusedBy(orders, self.log_out_everywhere(server, orders))

    @staticmethod
    def grow_log(pair, count):
        """As another server would, before ours has found the new primary."""
        with contextlib.closing(pair.primary.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT seq FROM revocation_sequencer")
            head = cursor.fetchone()[0]
            connection.begin()
            for seq in range(head + 1, head + 1 + count):
                cursor.execute("INSERT INTO revocations SELECT %s, 1, RANDOM_BYTES(16), '', 0, created_at, expires_at "
                               "FROM revocations WHERE seq = 1", (seq,))
            cursor.execute("UPDATE revocation_sequencer SET seq = %s", (head + count,))
            connection.commit()


if __name__ == "__main__":
    unittest.main()
