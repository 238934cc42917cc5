"""What the trust feed says while its server is killed and stopped and its connections are dropped and slowed down.

Everything that a verifier is sent is recorded, and a program checks that history for what etcd promises of its watches:
ordered, unique, reliable, atomic, resumable, bookmarkable.
"""

import contextlib
import json
import signal
import socket
import subprocess
import threading
import time
import unittest

from harness import AUTH, Case, OK, Server, TRUST, clean_environment, grpcurl_path, until


class Proxy:
    """Hands bytes through; slowly, or not at all, if it is told to."""

    def __init__(self, target_port):
        self.target_port, self.delay, self.sockets = target_port, 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self.target_port))
                except OSError:
                    client.close()
                    continue
                self.sockets += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self.pump, args=(source, sink), daemon=True).start()

    def pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self.delay)
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def drop(self):
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.sockets = []

    def close(self):
        self.listener.close()
        self.drop()


class Recorder:
    """A verifier that writes down what it is sent, and resumes where it was whenever its stream ends."""

    def __init__(self, address, bearer):
        self.address, self.bearer = address, bearer
        self.epoch, self.seq = None, 0
        self.streams = []  # each: {"epoch", "seq": what it was resumed from, "messages"}
        self.stopping, self.process = False, None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping:
            self.watch()
            time.sleep(0.05)

    def watch(self):
        hello = {"verifier": "recorder", "last_seq": self.seq, **({"epoch": self.epoch} if self.epoch else {})}
        stream = {"epoch": self.epoch, "seq": self.seq, "messages": []}
        self.streams.append(stream)
        self.process = subprocess.Popen(
            [grpcurl_path(), "-plaintext", "-expand-headers", "-H", "authorization: Bearer ${BEARER}", "-d",
             json.dumps({"hello": hello}), self.address, TRUST + "Watch"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=clean_environment(BEARER=self.bearer))
        text, decoder = "", json.JSONDecoder()
        for line in self.process.stdout:
            text += line
            with contextlib.suppress(json.JSONDecodeError):
                message, end = decoder.raw_decode(text)
                text = text[end:].lstrip()
                stream["messages"].append(message)
                self.apply(message)
        self.process.wait()
        self.process.stdout.close()

    def apply(self, message):
        if snapshot := message.get("snapshot"):
            if snapshot.get("last"):
                self.epoch, self.seq = snapshot["epoch"], int(snapshot.get("seq", 0))
        elif entries := message.get("revocations", {}).get("revocations"):
            self.seq = int(entries[-1]["seq"])

    def knows(self, session):
        return any(f'"{session}"' in json.dumps(stream["messages"]) for stream in self.streams)

    def close(self):
        self.stopping = True
        while self.thread.is_alive():
            self.process.kill()
            self.thread.join(0.1)


def violations(streams):
    """What is wrong with a history, in words."""
    known = {}  # (epoch, seq) -> entry
    for stream in streams:
        epoch, seq, in_snapshot = stream["epoch"], stream["seq"], False
        for message in stream["messages"]:
            snapshot, heartbeat = message.get("snapshot"), message.get("heartbeat")
            if snapshot is not None:
                in_snapshot = not snapshot.get("last")
                if snapshot["epoch"] == stream["epoch"] and int(snapshot.get("seq", 0)) < stream["seq"]:
                    yield f"not resumable: a snapshot of {snapshot.get('seq')} after {stream['seq']}"
                epoch, seq = snapshot["epoch"], int(snapshot.get("seq", 0))
            for entry in (snapshot or message.get("revocations", {})).get("revocations", []):
                number = int(entry["seq"])
                if not ({"session_id", "principal", "key_id"} & set(entry)) or "expires_at" not in entry:
                    yield f"not atomic: entry {number} lacks something"
                if known.setdefault((epoch, number), entry) != entry:
                    yield f"not unique: entry {number} has changed"
                if snapshot is None:
                    if in_snapshot or number != seq + 1:
                        yield f"not ordered: entry {number} after {seq}"
                    seq = number
            if heartbeat is not None and int(heartbeat.get("head_seq", 0)) != seq:
                yield f"not bookmarkable: a heartbeat at {heartbeat.get('head_seq')} after {seq}"


class History(Case):
    def test_feed_keeps_its_promises_whatever_happens(self):
        server = self.start(Server, self.folder)
        port, bearer = server.port, server.verifier_login()
        proxy = Proxy(port)
        self.addCleanup(proxy.close)
        recorder = Recorder(proxy.address, bearer)
        self.addCleanup(recorder.close)
        ended = []

        def log_out(count):
            for _ in range(count):
                login = server.login()
                reply = server.grpc.call(AUTH + "Logout", bearer=login["credential"])
                if reply.code == OK:
                    ended.append(login["session_id"])

        for fault in ("none", "drop", "kill", "slow", "drop", "stop", "kill", "drop", "none"):
            log_out(4)
            if fault == "drop":
                proxy.drop()
            elif fault == "slow":
                proxy.delay = 0.2
            elif fault == "kill":
                server.end(signal.SIGKILL)
                server = self.start(Server, self.folder, port=port)
            elif fault == "stop":
                server.process.send_signal(signal.SIGSTOP)
                time.sleep(4)
                server.process.send_signal(signal.SIGCONT)
            log_out(4)
            proxy.delay = 0
        until(lambda: all(recorder.knows(session) for session in ended))  # reliable
        until(lambda: any("heartbeat" in each for each in recorder.streams[-1]["messages"]))
        recorder.close()
        self.assertEqual(list(violations(recorder.streams)), [])
        self.assertGreater(len(recorder.streams), 3)  # a fault may meet a stream that the one before has ended
        self.assertGreater(len(ended), 60)

    def test_the_checker_finds_what_it_looks_for(self):
        entry = {"session_id": "a", "expires_at": "x"}
        first = {"epoch": None, "seq": 0, "messages": [{"snapshot": {"epoch": "e", "seq": "2", "last": True}}]}

        def check(*messages, epoch="e", seq=2):
            return " ".join(violations([first, {"epoch": epoch, "seq": seq, "messages": list(messages)}]))

        def entries(*numbers):
            return {"revocations": {"revocations": [{**entry, "seq": str(number)} for number in numbers]}}
        self.assertEqual(check(entries(3, 4), {"heartbeat": {"head_seq": "4"}}), "")
        self.assertIn("not ordered", check(entries(4)))
        self.assertIn("not ordered", check(entries(3, 3)))
        self.assertIn("not bookmarkable", check(entries(3), {"heartbeat": {"head_seq": "4"}}))
        self.assertIn("not resumable", check({"snapshot": {"epoch": "e", "seq": "1", "last": True}}))
        self.assertIn("not atomic", check({"revocations": {"revocations": [{"seq": "3", "session_id": "a"}]}}))
        changed = {"revocations": {"revocations": [{**entry, "seq": "3", "session_id": "b"}]}}
        history = [first] + [{"epoch": "e", "seq": 2, "messages": [each]} for each in (entries(3), changed)]
        self.assertIn("not unique", " ".join(violations(history)))


if __name__ == "__main__":
    unittest.main()
