"""A proxy before a MySQL server that can do harm at a named point of a statement.

It understands just enough of the protocol to know which statement a packet runs: packets, COM_QUERY, COM_STMT_PREPARE
with its answer, COM_STMT_EXECUTE. No TLS. So tests can have a connection cut, or a process killed, exactly before or
after the database has run a statement, without a hook in the program that is tested:

    proxy.before("COMMIT", within="INSERT INTO revocations", do=cut)   # the database never sees it
    proxy.during("COMMIT", do=cut)                                     # it is on its way when the connection ends
    proxy.after("^INSERT INTO sessions", do=kill(server))              # it has run, and nobody is told

`within` is a pattern for a statement that came before in the same transaction.
"""

import contextlib
import re
import signal
import socket
import struct
import threading

PATIENCE = 60  # seconds; a test that needs it fails anyway
COM_QUERY, COM_STMT_PREPARE, COM_STMT_EXECUTE, COM_STMT_CLOSE = 0x03, 0x16, 0x17, 0x19


def cut(link):
    """Ends the connection on both sides."""
    link.cut()


def kill(process, with_signal=signal.SIGKILL):
    """Kills a process, waits until it is gone and then ends the connection. `process` is a Popen."""
    def do(link):
        process.send_signal(with_signal)
        process.wait(PATIENCE)
        link.cut()
    return do


def hold(until):
    """Keeps the packet until the event is set, at most PATIENCE."""
    return lambda link: until.wait(PATIENCE)


def cut_and_deliver(when):
    """Ends the client's connection, and passes the statement on when the event is set: it was on its way too long."""
    def do(link):
        link.cut_client()
        when.wait(PATIENCE)
    return do


class Rule:
    """What is to be done at a point, `times` times."""

    def __init__(self, point, pattern, within, do, times):
        self.point, self.pattern, self.do = point, re.compile(pattern, re.IGNORECASE), do
        self.within = re.compile(within, re.IGNORECASE) if within else None
        self._left, self._lock = times, threading.Lock()
        self.reached = threading.Event()

    def take(self, point, link):
        """Whether it is this rule's turn."""
        if point != self.point or not self.pattern.search(link.statement):
            return False
        if self.within and not any(self.within.search(each) for each in link.transaction):
            return False
        with self._lock:
            self._left -= 1
            return self._left >= 0

    def wait(self):
        assert self.reached.wait(PATIENCE), f"nobody came {self.point} {self.pattern.pattern}"


def packets(connection):
    """The packets of one side, each as (whole packet, sequence number, payload), until it ends."""
    stream = connection.makefile("rb")
    with contextlib.suppress(OSError), stream:
        while len(header := stream.read(4)) == 4:
            length = int.from_bytes(header[:3], "little")
            payload = stream.read(length)
            if len(payload) < length:
                return
            yield header + payload, header[3], payload


class Link:
    """One client's connection and the one to the database behind it, with a thread for each direction."""

    def __init__(self, proxy, client, database):
        self.proxy, self.client, self.database = proxy, client, database
        self.statement, self.transaction = "", []
        self._preparing, self._prepared, self._answer_is_due = None, {}, False

    def run(self):
        answers = threading.Thread(target=self._forward_answers, daemon=True)
        answers.start()
        self._forward_commands()
        with contextlib.suppress(OSError):
            self.database.shutdown(socket.SHUT_WR)  # what has been asked is still answered
        answers.join(PATIENCE)

    def cut(self):
        for side in (self.client, self.database):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def cut_client(self):
        with contextlib.suppress(OSError):
            self.client.shutdown(socket.SHUT_RDWR)

    def close(self):
        for side in (self.client, self.database):
            side.close()

    def _forward_commands(self):
        with contextlib.suppress(OSError):
            for packet, number, payload in packets(self.client):
                runs = number == 0 and self._note_command(payload)
                if runs:
                    self.proxy.act("before", self)
                    self._answer_is_due = True
                # Whose turn it is, is asked first: the answer may be quicker, and end the transaction.
                during = self.proxy.take("during", self) if runs else []
                self.database.sendall(packet)
                self.proxy.do(during, self)

    def _note_command(self, payload):
        """Whether the command runs a statement, which is then self.statement."""
        command, rest = payload[0], payload[1:]
        if command == COM_STMT_PREPARE:
            self._preparing = rest.decode("utf-8", "replace")
        elif command == COM_STMT_CLOSE:
            self._prepared.pop(struct.unpack("<I", rest[:4])[0], None)
        if command == COM_QUERY:
            self.statement = rest.decode("utf-8", "replace")
        elif command == COM_STMT_EXECUTE:
            self.statement = self._prepared.get(struct.unpack("<I", rest[:4])[0], "")
        else:
            return False
        if self.statement.upper().startswith("START TRANSACTION"):
            self.transaction = []
        self.transaction.append(self.statement)
        return True

    def _forward_answers(self):
        with contextlib.suppress(OSError):
            for packet, _, payload in packets(self.database):
                if self._preparing is not None:
                    if payload[:1] == b"\0":
                        self._prepared[struct.unpack("<I", payload[1:5])[0]] = self._preparing
                    self._preparing = None
                if self._answer_is_due:
                    self._answer_is_due = False
                    self.proxy.act("after", self)
                    if self.statement.upper().startswith(("COMMIT", "ROLLBACK")):
                        self.transaction = []
                self.client.sendall(packet)
        self.cut()


class MysqlProxy:
    """Listens on a loopback port of its own choice and passes everything on to `port`."""

    def __init__(self, port):
        self.upstream = port
        self._rules, self._links, self._lock = [], set(), threading.Lock()
        self._away = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def before(self, pattern, do, within=None, times=1):
        return self._add(Rule("before", pattern, within, do, times))

    def during(self, pattern, do, within=None, times=1):
        return self._add(Rule("during", pattern, within, do, times))

    def after(self, pattern, do, within=None, times=1):
        return self._add(Rule("after", pattern, within, do, times))

    def at(self, point, pattern, do, within=None, times=1):
        return self._add(Rule(point, pattern, within, do, times))

    def forget_rules(self):
        with self._lock:
            self._rules = []

    def go_away(self):
        """Cuts all connections and admits none until come_back."""
        with self._lock:
            self._away = True
            links = list(self._links)
        for link in links:
            link.cut()

    def come_back(self):
        with self._lock:
            self._away = False

    def close(self):
        self.go_away()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def act(self, point, link):
        self.do(self.take(point, link), link)

    def take(self, point, link):
        """The rules whose turn it is."""
        with self._lock:
            return [rule for rule in self._rules if rule.take(point, link)]

    @staticmethod
    def do(rules, link):
        for rule in rules:
            rule.do(link)
            rule.reached.set()

    def _add(self, rule):
        with self._lock:
            self._rules.append(rule)
        return rule

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            database = socket.create_connection(("127.0.0.1", self.upstream), PATIENCE)
        except OSError:
            client.close()
            return
        for side in (client, database):
            side.settimeout(None)
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(self, client, database)
        with self._lock:
            admitted = not self._away
            if admitted:
                self._links.add(link)
        if admitted:
            link.run()
        with self._lock:
            self._links.discard(link)
        link.close()
