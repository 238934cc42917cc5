"""What the tests of the MySQL store share: a MariaDB of their own, servers on it, and a record of what was
acknowledged."""

import base64
import contextlib
import os
import pathlib
import secrets
import sys
import threading
import time
import urllib.error
import urllib.request

import pymysql

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "testing"))

from mariadb import MariaDb  # noqa: E402
from mysql_proxy import MysqlProxy, cut, cut_and_deliver, hold, kill  # noqa: E402, F401
from harness import ADMIN, AUTH, BIN, OK, Case, Process, Server, new_password, remember  # noqa: E402
from rpc import Rpc  # noqa: E402

DATABASE = "watchword"
USER = "watchword"
DATABASE_PASSWORD = remember("canary-" + secrets.token_urlsafe(18))
SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", 0))


def rounds(what, short, long, share=1.0):
    """Counts rounds: `short` of them, or under tests/soak.sh `long`, as far as there is time. Says how many
    there were."""
    began, done = time.monotonic(), 0
    while done < (long if SOAK_SECONDS else short):
        if SOAK_SECONDS and time.monotonic() - began > SOAK_SECONDS * share:
            break
        yield done
        done += 1
    figure(f"{done} rounds of {what}")


def figure(text):
    print(f"figure: {text}", flush=True)


class Database(MariaDb):
    """A MariaDB with an account for Watchword that may do no more than it needs: root could write where it must not."""

    def __init__(self, folder, *options, files=None):
        super().__init__(folder, *options, files=files or self.files_in(BIN.parent / "tests/mariadb-files"))

    def prepare(self):
        """Makes the database and the account."""
        self.sql(f"CREATE DATABASE {DATABASE}; CREATE USER {USER}@'%' IDENTIFIED BY '{DATABASE_PASSWORD}'; "
                 f"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON {DATABASE}.* TO {USER}@'%'; "
                 f"CREATE USER observer@'%' IDENTIFIED BY '{DATABASE_PASSWORD}'; GRANT ALL ON *.* TO observer@'%'")
        return self

    def connect(self):
        """A connection that sees and may do everything."""
        return pymysql.connect(host="127.0.0.1", port=self.port, user="observer", password=DATABASE_PASSWORD,
                               database=DATABASE, autocommit=True, read_timeout=60)

    def query(self, text, *values):
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(text, values)
            return list(cursor.fetchall())

    def value(self, text, *values):
        return self.query(text, *values)[0][0]

    def kill_connections(self):
        """Kills all connections of Watchword at once; how many there were."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            return kill_connections(cursor)

    def revocations(self):
        """The log, whose numbers must have no gap: [(seq, kind, target)]."""
        log = self.query("SELECT seq, kind, target FROM revocations ORDER BY seq")
        head, compacted = self.query("SELECT seq, compacted_seq FROM revocation_sequencer")[0]
        kept = [row[0] for row in log if row[0] > compacted]
        assert kept == list(range(compacted + 1, head + 1)), f"the log up to {head} has a gap: {kept}"
        return log


def kill_connections(cursor):
    cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (USER,))
    connections = [row[0] for row in cursor.fetchall()]
    for connection in connections:
        with contextlib.suppress(pymysql.err.OperationalError):  # it may have ended meanwhile
            cursor.execute(f"KILL {connection}")
    return len(connections)


class MysqlServer(Server):
    """A server on a MySQL store. Those of one folder share it."""

    def __init__(self, folder, hosts, *flags, name="one", port=0):
        """`hosts`: the ports of the database servers."""
        password = store_files(folder)
        super().__init__(pathlib.Path(folder) / name, *store_flags(folder, hosts), "--access-token-ttl", "1h",
                         "--refresh-grace", "1m", "--bootstrap-admin-password-file",
                         pathlib.Path(folder) / "admin-password", *flags, port=port, admin_password=password)
        self.rpc = Rpc(self.address)

    def close(self):
        if hasattr(self, "rpc"):
            self.rpc.close()
        super().close()


def store_files(folder):
    """Makes what all servers of a store need, once. Returns the administrator's password."""
    folder = pathlib.Path(folder)
    password = folder / "admin-password"
    if not password.exists():
        for path, content in ((folder / "key", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")),
                              (folder / "database-password", DATABASE_PASSWORD), (password, new_password())):
            path.touch(mode=0o600)
            path.write_text(content + "\n")
    return password.read_text().strip()


def store_flags(folder, hosts):
    folder = pathlib.Path(folder)
    where = ",".join(f"127.0.0.1:{port}" for port in hosts)
    return ("--store", f"mysql://{USER}@{where}/{DATABASE}", "--allow-store-plaintext", "--store-password-file",
            folder / "database-password", "--key-file", folder / "key")


def migrate(folder, *hosts):
    store_files(folder)
    process = Process(BIN / "watchwordd", "migrate", "--issuer", Server.ISSUER, "--data-dir",
                      pathlib.Path(folder) / "migrate", *store_flags(folder, hosts))
    code = process.wait()
    assert code == 0, process.output()
    process.close()


def probe(port, name):
    """The status of a probe of the operations port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


class StoreCase(Case):
    """A test case with a migrated database, for all its tests together."""

    OPTIONS = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.database = cls.start_database("database", *cls.OPTIONS)
        migrate(cls.shared_folder, cls.database.port)

    @classmethod
    def start_database(cls, name, *options, **more):
        database = Database(cls.shared_folder / name, *options, **more).prepare()
        cls.addClassCleanup(database.kill)
        return database

    @classmethod
    def start_proxy(cls, database=None):
        proxy = MysqlProxy((database or cls.database).port)
        cls.addClassCleanup(proxy.close)
        return proxy

    def add_user(self, server, username=None):
        """(username, password) of a new user."""
        username, password = username or f"user-{secrets.token_hex(4)}", new_password()
        server.rpc.must(ADMIN + "CreateUser", bearer=self.admin(server), username=username, password=password)
        return username, password

    @staticmethod
    def admin(server):
        return server.rpc.must(AUTH + "Login", username="admin", password=server.admin_password)["credential"]


class Record:
    """What was acknowledged of one session."""

    def __init__(self, login):
        self.session_id, self.credential = login["session_id"], login["credential"]
        self.refresh_token, self.generation = login["refresh_token"], 0
        self.refresh_unknown = False
        self.logout_asked = self.logout_done = False


class Ledger:
    """Keeps a record of every acknowledged change, and compares the database with it. Thread-safe, but each session
    belongs to one thread."""

    def __init__(self, **login):
        """`login`: more of each login's request."""
        self._login = login
        self._lock = threading.Lock()
        self.sessions, self.failed_logins, self.wrong = {}, 0, []
        self.answered = self.failed = 0

    def login(self, rpc, username, password, **options):
        reply = rpc.call(AUTH + "Login", username=username, password=password, **self._login, **options)
        if not self._count(reply):
            with self._lock:
                self.failed_logins += 1
            return None
        record = Record(reply.response)
        with self._lock:
            self.sessions[record.session_id] = record
        return record

    def refresh(self, rpc, record, **options):
        """With the newest token that is known: again, if an answer was lost."""
        record.refresh_unknown = True
        reply = rpc.call(AUTH + "Refresh", refresh_token=record.refresh_token, **options)
        if self._count(reply, record.logout_asked):
            record.refresh_token, record.credential = reply.response["refresh_token"], reply.response["credential"]
            record.generation += 1
            record.refresh_unknown = False
        return reply

    def logout(self, rpc, record, **options):
        record.logout_asked = True
        reply = rpc.call(AUTH + "Logout", bearer=record.credential, **options)
        if self._count(reply):
            record.logout_done = True
        return reply

    def _count(self, reply, may_be_ended=False):
        with self._lock:
            self.answered += reply.code == OK
            self.failed += reply.code != OK
            if reply.code != OK and not reply.is_outage and not (may_be_ended and reply.reason == "TOKEN_REVOKED"):
                self.wrong.append(reply)
        return reply.code == OK

    def check(self, database):
        """Acknowledged: there. Not acknowledged: all of it or nothing. Returns how many sessions were compared."""
        with self._lock:
            assert not self.wrong, f"told something else than an outage: {self.wrong[:3]}"
        log = [target.hex() for _, kind, target in database.revocations() if kind == 1]
        in_log = set(log)
        assert len(log) == len(in_log), "a session is in the revocation log twice"
        rows = {row[0].hex(): row[1:] for row in
                database.query("SELECT id, generation, revoked_at IS NOT NULL FROM sessions")}
        assert in_log <= {key for key, (_, revoked) in rows.items() if revoked}, "revoked in the log only"
        for record in self.sessions.values():
            key = record.session_id.replace("-", "")
            assert key in rows, f"an acknowledged login is lost: {record.session_id}"
            generation, revoked = rows[key]
            allowed = (record.generation, record.generation + 1) if record.refresh_unknown else (record.generation,)
            assert generation in allowed, f"generation {generation} of {record.session_id}, acknowledged: {allowed}"
            assert bool(revoked) == (key in in_log), f"half a logout of {record.session_id}"
            assert revoked or not record.logout_done, f"an acknowledged logout is lost: {record.session_id}"
            assert not revoked or record.logout_asked, f"nobody has logged out {record.session_id}"
        return len(self.sessions)

    def check_answers(self, rpc, most=100):
        """The same, as callers see it."""
        for record in list(self.sessions.values())[-most:]:
            answer = rpc.must(AUTH + "Validate", bearer=record.credential)
            if record.logout_done:
                assert answer.get("reason") == "TOKEN_REVOKED", f"logged out, yet {answer}"
                reply = rpc.call(AUTH + "Refresh", refresh_token=record.refresh_token)
                assert reply.reason == "TOKEN_REVOKED", f"logged out, yet {reply}"
            elif not record.logout_asked:
                assert answer.get("active"), f"nobody has logged it out, yet {answer}"
                reply = self.refresh(rpc, record)
                assert reply.code == OK, f"the newest refresh token is refused: {reply}"

    def check_unaccounted(self, database, before):
        """There are no more sessions than logins that were acknowledged or whose end is unknown."""
        now = database.value("SELECT COUNT(*) FROM sessions")
        assert now - before <= len(self.sessions) + self.failed_logins, "sessions that nobody has begun"


class Load:
    """Threads that log in, refresh and log out as long as the context lasts, and keep the ledger."""

    def __init__(self, ledger, rpc, username, password, threads=4, timeout=10):
        self.ledger, self._rpc, self._user, self._timeout = ledger, rpc, (username, password), timeout
        self._stop, self._error = threading.Event(), None
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        self.acknowledged_at = []  # when a write was acknowledged

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert self._error is None, self._error

    def acknowledged_after(self, moment):
        """The first acknowledgement after a moment, if there is one yet."""
        return next((at for at in list(self.acknowledged_at) if at > moment), None)

    def _run(self):
        try:
            while not self._stop.is_set():
                self._one_session()
        except Exception as error:  # whatever it is, the test is told
            self._error = error

    def _one_session(self):
        record = self.ledger.login(self._rpc, *self._user, timeout=self._timeout)
        if record is None:
            self._stop.wait(0.02)  # a server that is away must not be flooded
            return
        self._note()
        for _ in range(2):
            reply = self.ledger.refresh(self._rpc, record, timeout=self._timeout)
            if reply.code != OK:
                return
            self._note()
        if len(self.ledger.sessions) % 2 == 0:
            if self.ledger.logout(self._rpc, record, timeout=self._timeout).code == OK:
                self._note()

    def _note(self):
        self.acknowledged_at.append(time.monotonic())
