"""The memory of a pod is enough: a server and a service, each with as much as deploy/kubernetes gives the server, know
very many revocations while very many people log in at once.

WATCHWORD_LIVE_REVOCATIONS (1,000,000) says how many.
"""

import contextlib
import os
import re
import sqlite3
import struct
import time
import unittest

import yaml

import hostile
from cluster import figure
from harness import AUTH, Case, OK, Orders, ROOT, Server, memory_of, until
from resources_test import Others

REVOCATIONS = int(os.environ.get("WATCHWORD_LIVE_REVOCATIONS", "1000000"))
CONNECTIONS, STREAMS = 100, 100
MIB = 1 << 20


def read_pod():
    """(memory limit in bytes, the flags of hashing) of the server in deploy/kubernetes/base."""
    base = ROOT / "deploy/kubernetes/base"
    deployment = yaml.safe_load((base / "deployment.yaml").read_text())
    limit = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    settings = dict(re.findall(r"- WATCHWORD_(HASH_\w+)=(\S+)", (base / "kustomization.yaml").read_text()))
    flags = [word for name, value in settings.items() for word in ("--" + name.lower().replace("_", "-"), value)]
    return int(re.fullmatch(r"(\d+)Mi", limit)[1]) * MIB, flags


LIMIT, HASHING = read_pod()


class PodServer(Server):
    CHEAP_HASHES = HASHING


def revoke(path, count):
    """Adds revocations of sessions to the log of a server that is not running."""
    now = time.time_ns() // 1000
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("BEGIN")
        head = database.execute("SELECT seq FROM revocation_sequencer").fetchone()[0]
        database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO revocations (seq, kind, target, key_id, began_until, created_at, expires_at) "
            "SELECT ? + i, 1, randomblob(16), '', 0, ?, ? FROM n", (count, head, now, now + 3_600_000_000))
        database.execute("UPDATE revocation_sequencer SET seq = seq + ?", (count,))
        database.execute("COMMIT")


def crowd_of_logins(port, username, password):
    """Very many logins, all sent before any answer is read. How many were (sent, answered)."""
    message = b"".join(bytes([tag, len(text)]) + text.encode() for tag, text in ((0x0a, username), (0x12, password)))
    data = b"\0" + struct.pack(">I", len(message)) + message
    block = b"".join(hostile.hpack_field(*field) for field in hostile.request_fields("/" + AUTH + "Login"))
    # Else the server may send 65,535 bytes, which a hundred tokens are more than (RFC 9113, section 6.9.2).
    room = hostile.frame(hostile.WINDOW_UPDATE, 0, 0, struct.pack(">I", MIB))
    preface = hostile.PREFACE + hostile.frame(hostile.SETTINGS, 0, 0) + room
    connections, sent = [hostile.Connection(port, preface) for _ in range(CONNECTIONS)], 0
    for connection in connections:
        streams = [connection.take_stream() for _ in range(STREAMS)]
        sent += STREAMS * connection.send(b"".join(
            hostile.frame(hostile.HEADERS, hostile.END_HEADERS, stream, block) +
            hostile.frame(hostile.DATA, hostile.END_STREAM, stream, data) for stream in streams))
    answered = 0
    for connection in connections:
        ended = set()

        def all_ended(connection=connection, ended=ended):
            connection.drain(0.05)
            ended.update(stream for kind, flags, stream, _ in hostile.frames(connection.received)
                         if kind == hostile.HEADERS and flags & hostile.END_STREAM)
            return connection.closed or len(ended) == STREAMS
        until(all_ended)
        connection.close()
        answered += len(ended)
    return sent, answered


class MemoryLimit(Case):
    def test_a_crowd_of_logins_while_very_many_revocations_are_known(self):
        server = self.start(PodServer, self.folder)
        account, port = server.service_account(), server.port
        username, password = "crowd", server.add_user("crowd")
        administrator = server.admin_password
        server.end()
        revoke(server.data / "watchword.db", REVOCATIONS)
        server = self.start(PodServer, self.folder, port=port, admin_password=administrator)
        orders = self.start(Orders, server.address, account)
        credential = server.login(audiences=["orders"])["credential"]
        began = time.monotonic()
        until(lambda: orders.list(credential).code == OK)
        figure(f"{REVOCATIONS} revocations known to a service after {time.monotonic() - began:.1f} s")
        with Others(port, server.login()["credential"]) as others:
            for _ in range(2):
                sent, answered = crowd_of_logins(port, username, password)
                figure(f"{sent} logins at once, {answered} answered")
                self.assertEqual((sent, answered), (CONNECTIONS * STREAMS, sent))
        figure(f"meanwhile: {others}")
        self.assertEqual(others.failures, [])
        self.assertEqual(orders.list(server.login(audiences=["orders"])["credential"]).code, OK)
        for name, process in (("server", server), ("service", orders)):
            peak = memory_of(process, peak=True)
            figure(f"{name}: {peak / MIB:.0f} MiB at most, of {LIMIT / MIB:.0f}")
            self.assertLess(peak, LIMIT, name)


if __name__ == "__main__":
    unittest.main()
