"""Stores for the benchmarks: files of SQLite, databases on a MariaDB of their own, and sessions in them by the million."""

import contextlib
import os
import pathlib
import sqlite3
import time

from measure import AuthServer, run
from harness import Server
from cluster import DATABASE_PASSWORD, USER, Database, store_files

# A database server that has a machine to itself would get more memory, of whatever size its data is.
MARIADB = ("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M", "--max-connections=300")
DAY = 86_400_000_000  # microseconds
BATCH = 100_000


@contextlib.contextmanager
def fresh_mariadb(folder):
    """A MariaDB, durable as Watchword asks for."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    database = Database(folder / "mariadb", *MARIADB).prepare()
    try:
        yield database
    finally:
        database.kill()


@contextlib.contextmanager
def mysql_server(database, folder, name="one", schema="watchword", flags=()):
    """A server on a database of the MariaDB, which is made by the first who asks. Those of one folder share it."""
    folder = pathlib.Path(folder)
    if not folder.exists():
        folder.mkdir(parents=True)
        store_files(folder)
        database.sql(f"CREATE DATABASE IF NOT EXISTS {schema}; "
                     f"GRANT ALL ON {schema}.* TO {USER}@'%'")
    store = ("--store", f"mysql://{USER}@127.0.0.1:{database.port}/{schema}", "--migrate-at-start")
    with AuthServer.started(Server, folder / name, *store, "--allow-store-plaintext", "--store-password-file",
                            folder / "database-password", "--key-file", folder / "key",
                            "--bootstrap-admin-password-file", folder / "admin-password", *flags,
                            admin_password=store_files(folder)) as server:
        yield server


def times(first, expired):
    """When sessions began that are the `first` and later, and when they end: microseconds."""
    now = time.time_ns() // 1000
    return (now - 9 * DAY, now - 2 * DAY) if expired else (now - DAY + first * 1000, now + 6 * DAY)


def fill_sqlite(path, sessions):
    """Adds sessions, of which every second has a session token, to the store of a server that is not running. SQLite
    3.40 cannot make ids out of text, so this does."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -500000")
        principal = database.execute("SELECT id FROM principals LIMIT 1").fetchone()[0]
        for first in range(0, sessions, BATCH):
            begin, end = times(first, expired=False)
            database.execute("BEGIN")
            database.executemany(
                "INSERT INTO sessions (id, principal, kind, token_digest, binding, generation, rotated_at, created_at, "
                "last_used_at, idle_expires_at, expires_at, audiences, scopes, include_username) "
                "VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, 'orders', 'orders.read', 0)",
                ((session_id(begin // 1000 + i), principal if i % 10 == 0 else os.urandom(16), 1 + i % 2,
                  os.urandom(32) if i % 2 else None, os.urandom(32), begin, begin, begin, end + i, end + i)
                 for i in range(min(BATCH, sessions - first))))
            database.execute("COMMIT")


def session_id(milliseconds):
    """A UUIDv7."""
    random = os.urandom(10)
    return (milliseconds.to_bytes(6, "big") + bytes([0x70 | random[0] & 0x0f, random[1], 0x80 | random[2] & 0x3f]) +
            random[3:])


def fill_mariadb(database, schema, sessions, expired=False):
    """The same for a database, in which a server may be running."""
    for first in range(0, sessions, BATCH):
        begin, end = times(first, expired)
        # The middle of each id and each digest is random; MD5 of random numbers makes sixteen bytes at a time.
        database.sql(f"""INSERT INTO {schema}.sessions (id, principal, kind, token_digest, binding, generation,
            rotated_at, created_at, last_used_at, idle_expires_at, expires_at, audiences, scopes, include_username)
            SELECT UNHEX(CONCAT(LPAD(HEX({begin} DIV 1000 + seq), 12, '0'), '7', SUBSTR(MD5(RAND()), 1, 3), '8',
                                SUBSTR(MD5(RAND()), 1, 15))),
                UNHEX(MD5(RAND())), 1 + seq % 2, IF(seq % 2, UNHEX(CONCAT(MD5(RAND()), MD5(RAND()))), NULL),
                UNHEX(CONCAT(MD5(RAND()), MD5(RAND()))), 0, {begin}, {begin}, {begin}, {end} + seq, {end} + seq,
                'orders', 'orders.read', 0
            FROM {schema}.seq_1_to_{min(BATCH, sessions - first)}""")


def refresh_stores(folder):
    """Yields for each store its name, a server on it, and a function that measures its bare writes for some seconds."""
    folder = pathlib.Path(folder)
    bare = "CREATE TABLE bare (id INTEGER PRIMARY KEY, value BIGINT NOT NULL)"
    rows = ", ".join(f"({i}, 0)" for i in range(32))
    with AuthServer.started(Server, folder / "sqlite") as server:
        path = folder / "bare.db"
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.executescript(f"PRAGMA journal_mode = WAL; {bare}; INSERT INTO bare VALUES {rows}")
        # More connections would only wait for each other.
        yield "SQLite", server, lambda seconds: run("commit_bench", "--sqlite", path, "--seconds",
                                                    seconds)[0]["per_second"]
    with fresh_mariadb(folder / "mariadb") as database, mysql_server(database, folder / "mysql") as server:
        database.sql(f"CREATE DATABASE bare; GRANT ALL ON bare.* TO {USER}@'%'; USE bare; {bare}; "
                     f"INSERT INTO bare VALUES {rows}")
        yield "MariaDB", server, lambda seconds: run(
            "commit_bench", "--mysql", f"tcp://127.0.0.1:{database.port}/bare", "--user", USER, "--threads", 16,
            "--seconds", seconds, stdin=DATABASE_PASSWORD)[0]["per_second"]
