"""A database that is slow, full, locked, or gone for a while: calls end in time, with an effect once, and it
recovers."""

import contextlib
import pathlib
import secrets
import signal
import threading
import time
import unittest

from cluster import DATABASE, SOAK_SECONDS, Ledger, Load, MysqlServer, StoreCase, figure, kill_connections, probe
from harness import ADMIN, AUTH, OK, UNAUTHENTICATED, new_password, until

HANGS_FOR = 30 if SOAK_SECONDS else 8  # seconds; a connection waits 5 for an answer
LOCK_SEQUENCER = "SELECT seq FROM revocation_sequencer WHERE id = 1 FOR UPDATE"


class Trouble(StoreCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_shared(MysqlServer, cls.shared_folder, [cls.database.port], "--store-threads", "8")
        cls.rpc = cls.server.rpc

    def setUp(self):
        super().setUp()
        self.username, self.password = self.add_user(self.server)
        self.before = len(self.database.revocations())

    def login(self, **options):
        request = {"username": self.username, "password": self.password}
        return self.rpc.call_with_retries(AUTH + "Login", **request, **options).response

    def logout(self, login, **options):
        return self.rpc.call(AUTH + "Logout", bearer=login["credential"], **options)

    def in_background(self, function, *arguments, **options):
        """Calls it on a thread; the result is there after join()."""
        results = []
        thread = threading.Thread(target=lambda: results.append(function(*arguments, **options)), daemon=True)
        thread.start()

        def join():
            thread.join(60)
            return results[0]
        return join

    @contextlib.contextmanager
    def transaction(self):
        with contextlib.closing(self.database.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION innodb_lock_wait_timeout = 60")
            connection.begin()
            yield cursor
            connection.rollback()

    def wait_until_somebody_waits(self):
        until(lambda: self.status("Innodb_row_lock_current_waits") > 0)

    def assertEndedOnce(self, login):
        log = [target.hex() for _, _, target in self.database.revocations()[self.before:]]
        self.assertEqual(log, [login["session_id"].replace("-", "")])
        # If it was ended by a call that was answered with an outage, the server hears of it from the log.
        until(lambda: self.rpc.must(AUTH + "Validate", bearer=login["credential"]).get("reason") == "TOKEN_REVOKED")

    def test_victim_of_a_deadlock_tries_again_and_has_one_effect(self):
        login = self.login()
        before = self.deadlocks()
        with self.transaction() as cursor:
            # Whoever has changed more is not the victim.
            cursor.execute(f"CREATE TEMPORARY TABLE {DATABASE}.heavy (i INT PRIMARY KEY) ENGINE = InnoDB")
            cursor.execute(f"INSERT INTO heavy VALUES {', '.join(f'({i})' for i in range(1000))}")
            cursor.execute(LOCK_SEQUENCER)
            ended = self.in_background(self.logout, login)
            self.wait_until_somebody_waits()
            cursor.execute("UPDATE sessions SET last_used_at = last_used_at + 1 WHERE id = UNHEX(%s)",
                           login["session_id"].replace("-", ""))
        self.assertEqual(ended().code, OK)
        self.assertGreater(self.deadlocks(), before, "there was no deadlock")
        self.assertEndedOnce(login)

    def test_lock_that_is_held_too_long_is_waited_for_again(self):
        login = self.login()
        with self.transaction() as cursor:
            cursor.execute(LOCK_SEQUENCER)
            ended = self.in_background(self.logout, login)
            self.wait_until_somebody_waits()
            waits = self.status("Innodb_row_lock_waits")
            until(lambda: self.status("Innodb_row_lock_waits") > waits)  # it was told 1205 and has come again
        self.assertEqual(ended().code, OK)
        self.assertEndedOnce(login)

    def deadlocks(self):
        return self.database.value("SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'")

    def status(self, name):
        return int(self.database.query("SHOW GLOBAL STATUS LIKE %s", name)[0][1])

    def test_lock_that_is_never_given_back_ends_in_an_outage_and_no_effect(self):
        login = self.login()
        with self.transaction() as cursor:
            cursor.execute(LOCK_SEQUENCER)
            began = time.monotonic()
            reply = self.logout(login, timeout=4)
            self.assertTrue(reply.is_outage, reply)
            self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(self.rpc.call_with_retries(AUTH + "Logout", bearer=login["credential"]).code, OK)
        self.assertEndedOnce(login)

    def test_all_connections_killed_at_once_is_over_within_a_second(self):
        ledger = Ledger()
        sessions = self.database.value("SELECT COUNT(*) FROM sessions")
        with Load(ledger, self.rpc, self.username, self.password) as load:
            for _ in range(30):  # often enough that some are just being set up
                acknowledged = len(load.acknowledged_at)
                until(lambda: len(load.acknowledged_at) >= acknowledged + 10)
                connections = self.database.kill_connections()
                killed = time.monotonic()
                until(lambda: load.acknowledged_after(killed) is not None)
                figure(f"{connections} connections killed, next acknowledgement after "
                       f"{load.acknowledged_after(killed) - killed:.3f} s, {ledger.failed} failed calls so far")
                self.assertLess(load.acknowledged_after(killed) - killed, 1)
        ledger.check(self.database)
        ledger.check_unaccounted(self.database, sessions)
        self.assertEqual(ledger.failed, 0, "a lost connection is for the server to get over")

    def test_exhausted_pool_ends_calls_by_their_deadline_and_recovers(self):
        logins = [self.login() for _ in range(24)]
        with self.transaction() as cursor:
            cursor.execute("SELECT id FROM principals WHERE name = %s FOR UPDATE", self.username)
            began = time.monotonic()
            # Refreshing needs the principal's row: each call keeps a thread and a connection.
            waiting = [self.in_background(self.rpc.call, AUTH + "Refresh", timeout=2,
                                          refresh_token=login["refresh_token"]) for login in logins]
            for join in waiting:
                reply = join()
                self.assertTrue(reply.is_outage, reply)
            self.assertLess(time.monotonic() - began, 10)
        for login in logins:
            reply = self.rpc.call_with_retries(AUTH + "Refresh", refresh_token=login["refresh_token"])
            self.assertEqual(reply.code, OK, reply)

    def threads(self):
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("Threads:")))

    def test_database_that_hangs_ends_calls_by_their_deadline_and_piles_up_no_threads(self):
        login, before = self.login(), self.threads()
        self.database.process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            while time.monotonic() - began < HANGS_FOR:
                asked = time.monotonic()
                requests = {"Login": {"username": self.username, "password": self.password},
                            "Refresh": {"refresh_token": login["refresh_token"]},
                            "Logout": {"bearer": login["credential"]}}
                calls = [self.in_background(self.rpc.call, AUTH + method, timeout=1.5, **request)
                         for method, request in requests.items()]
                for join in calls:
                    reply = join()
                    self.assertTrue(reply.is_outage, reply)
                self.assertLess(time.monotonic() - asked, 4)
            self.assertLess(self.threads(), before + 16)
        finally:
            self.database.process.send_signal(signal.SIGCONT)
        woken = time.monotonic()
        self.assertEqual(self.rpc.call_with_retries(AUTH + "Logout", bearer=login["credential"]).code, OK)
        figure(f"calls are answered {time.monotonic() - woken:.2f} s after the database was woken")
        self.assertEndedOnce(login)

    def test_too_many_connections_at_the_database_are_got_over(self):
        login = self.login()
        limit = self.database.value("SELECT @@global.max_connections")
        others = []
        self.database.sql("SET GLOBAL max_connections = 20")
        try:
            with contextlib.suppress(Exception):  # until there is no room
                while len(others) < 100:
                    others.append(self.database.connect())
            with others[0].cursor() as cursor:
                kill_connections(cursor)
            with contextlib.suppress(Exception):
                while len(others) < 200:
                    others.append(self.database.connect())
            reply = self.logout(login, timeout=5)
            self.assertTrue(reply.code == OK or reply.is_outage, reply)
        finally:
            for other in others:
                with contextlib.suppress(Exception):
                    other.close()
            until(lambda: self.database.sql(f"SET GLOBAL max_connections = {limit}", check=False).returncode == 0)
        self.assertEqual(self.rpc.call_with_retries(AUTH + "Logout", bearer=login["credential"]).code, OK)
        self.assertEndedOnce(login)

    def test_database_that_is_gone_for_some_seconds_is_an_outage_and_nothing_else(self):
        login = self.login()
        self.database.kill()
        reply = self.logout(login, timeout=3)
        self.assertTrue(reply.is_outage, reply)
        until(lambda: probe(self.server.ops_port, "readyz") == 503)
        self.assertEqual(probe(self.server.ops_port, "livez"), 200)
        self.database.start()
        until(lambda: probe(self.server.ops_port, "readyz") == 200)
        self.assertEqual(self.rpc.call_with_retries(AUTH + "Logout", bearer=login["credential"]).code, OK)
        self.assertEndedOnce(login)


class SlowDatabase(StoreCase):
    STATEMENT_TAKES = 0.1  # seconds

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = cls.start_proxy()
        cls.server = cls.start_shared(MysqlServer, cls.shared_folder, [cls.proxy.port])

    def refusal_takes(self, login):
        """Seconds, the least of some: whatever else the machine does only adds to them."""
        took = []
        for _ in range(3):
            began = time.monotonic()
            reply = self.server.rpc.call(AUTH + "Login", **login())
            took.append(time.monotonic() - began)
            self.assertEqual((reply.code, reply.reason), (UNAUTHENTICATED, "INVALID_CREDENTIALS"))
        return min(took)

    def test_how_long_a_refusal_takes_does_not_tell_who_exists(self):
        """Each statement that one kind of account needs and another does not would show."""
        password = new_password()
        accounts = {name: self.add_user(self.server)[0] for name in ("wrong password", "disabled", "locked")}
        accounts["no password"] = "from-another-system"
        administrator = self.admin(self.server)
        self.server.rpc.must(ADMIN + "ImportUser", bearer=administrator, username=accounts["no password"])
        self.server.rpc.must(ADMIN + "DisableUser", bearer=administrator, username=accounts["disabled"])
        for _ in range(6):
            self.server.rpc.call(AUTH + "Login", username=accounts["locked"], password=password)
        self.proxy.before("", do=lambda _: time.sleep(self.STATEMENT_TAKES), times=1_000_000)
        logins = {name: lambda username=username: {"username": username, "password": password}
                  for name, username in accounts.items()}
        logins["unknown"] = lambda: {"username": f"nobody-{secrets.token_hex(4)}", "password": password}
        took = {name: self.refusal_takes(login) for name, login in logins.items()}
        figure(f"a refusal with {self.STATEMENT_TAKES} s a statement takes: {took}")
        self.assertGreater(min(took.values()), 2 * self.STATEMENT_TAKES, "nothing was slowed down")
        self.assertLess(max(took.values()) - min(took.values()), self.STATEMENT_TAKES / 2)


if __name__ == "__main__":
    unittest.main()
