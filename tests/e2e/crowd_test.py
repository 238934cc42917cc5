"""Five hundred verifiers of one server: what they cost it, and that they all come back when it was restarted."""

import datetime
import json
import signal
import subprocess
import unittest

from harness import Case, Server, TEST_BIN, clean_environment, memory_of

VERIFIERS = 500
CROWDS = 2
LIMIT = "--max-connections-per-address", "1000"


class Crowd:
    """A process that acts as many verifiers."""

    def __init__(self, server, verifiers, bearer):
        self.process = subprocess.Popen(
            [TEST_BIN / "feed_crowd", "--address", server.address, "--service-account", server.service_account(),
             "--verifiers", str(verifiers), "--revoke", "admin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=clean_environment(BEARER=bearer))

    def begin(self, *what):
        self.process.stdin.write(" ".join(map(str, what)) + "\n")
        self.process.stdin.flush()

    def end(self):
        line = self.process.stdout.readline()
        assert line == "done\n", f"not done: {line}"

    def do(self, *what):
        self.begin(*what)
        self.end()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def connections(server):
    """When verifiers connected, in seconds."""
    entries = [json.loads(line) for line in server.lines if '"verifier connected"' in line]
    return [datetime.datetime.fromisoformat(entry["time"].replace("Z", "+00:00")).timestamp() for entry in entries]


class FiveHundredVerifiers(Case):
    def setUp(self):
        super().setUp()
        self.server = self.start(Server, self.folder, *LIMIT)
        # Of another user than the one whose sessions are ended.
        password = self.server.add_user("operator", scopes=["watchword.admin"])
        self.bearer = self.server.login("operator", password)["credential"]
        self.crowds = []
        for _ in range(CROWDS):
            crowd = Crowd(self.server, VERIFIERS // CROWDS, self.bearer)
            self.addCleanup(crowd.close)
            self.crowds.append(crowd)
        self.everybody("ready")

    def everybody(self, *what):
        for crowd in self.crowds:
            crowd.begin(*what)
        for crowd in self.crowds:
            crowd.end()

    def test_after_a_restart_all_resync_without_coming_at_once_and_the_servers_memory_is_bounded(self):
        self.crowds[0].do("revoke", 1100)  # so that there is something to take over: two parts of a snapshot
        self.everybody("wait", 1100)
        self.server.end(signal.SIGKILL)
        self.server = self.start(Server, self.folder, *LIMIT, port=self.server.port)
        self.crowds[0].do("revoke", 1)
        self.everybody("wait", 1101)
        self.assertLess(memory_of(self.server, peak=True), 192 << 20)
        came = connections(self.server)
        print(f"{len(came)} connections over {max(came) - min(came):.1f} s, at most "
              f"{memory_of(self.server, peak=True) >> 20} MiB")
        self.assertGreaterEqual(len(came), VERIFIERS)
        self.assertGreater(max(came) - min(came), 0.5, "all came back together")

    def test_those_that_do_not_read_cost_no_memory_and_hold_up_nobody(self):
        stopped, reading = self.crowds
        reading.do("revoke", 100)
        self.everybody("wait", 100)
        before = memory_of(self.server)
        stopped.process.send_signal(signal.SIGSTOP)
        try:
            reading.do("revoke", 800)
            reading.do("wait", 900)
            self.assertLess(memory_of(self.server) - before, 96 << 20)
        finally:
            stopped.process.send_signal(signal.SIGCONT)
        stopped.do("wait", 900)


if __name__ == "__main__":
    unittest.main()
