"""Memory does not grow with time: sessions come and go by the thousand, while verifiers and clients are killed.

Under tests/soak.sh it goes on for as long as that says; the last two quarters are compared then, when all that is bounded
is full, such as the cache of credentials.
"""

import random
import signal
import statistics
import time
import unittest

from cluster import SOAK_SECONDS, figure
from harness import Case, OK, Orders, Server, SessionLoad, memory_of, until

SECONDS = SOAK_SECONDS or 30
MOST_GROWTH = 16  # MiB
# Until it is full, the server's cache of credentials takes some 1.4 KiB for each of the two of a session.
CACHE_IS_FULL_AFTER = 1200  # seconds
MOST_FOR_A_SESSION = 4 / 1024  # MiB
VALIDATIONS = 3 if SOAK_SECONDS else 47  # many sessions fill the caches early, many calls show what each leaves behind
CALLS_OF_A_SESSION = VALIDATIONS + 3
KILL_EVERY = 3  # seconds


class Samples:
    """What a process took, by the time since the beginning."""

    def __init__(self, process):
        self.process, self._samples = process, []

    def take(self, at):
        self._samples.append((at, memory_of(self.process) / (1 << 20)))

    def of_quarter(self, number):
        """The median in MiB."""
        return statistics.median(memory for at, memory in self._samples
                                 if SECONDS * (number - 1) / 4 <= at < SECONDS * number / 4)


class SteadyMemory(Case):
    def start_load(self):
        return self.start(SessionLoad, self.server.address, "anna", self.password, "--validations", VALIDATIONS)

    def start_verifier(self):
        return self.start(Orders, self.server.address, self.server.service_account())

    def test_memory_does_not_grow_while_sessions_come_and_go_and_others_are_killed(self):
        # What was revoked is remembered for as long as its access tokens live.
        self.server = self.start(Server, self.folder, "--access-token-ttl", "5s", "--hash-max-wait", "1m")
        self.password = self.server.add_user("anna")
        service, mortal = self.start_verifier(), self.start_verifier()
        loads = [self.start_load(), self.start_load()]
        watched = {"server": Samples(self.server), "service": Samples(service)}
        chance, calls, kills = random.Random(1), 0, 0
        began = time.monotonic()
        next_kill = began + KILL_EVERY
        while (at := time.monotonic() - began) < SECONDS:
            for samples in watched.values():
                samples.take(at)
            if time.monotonic() > next_kill:
                next_kill, kills = next_kill + KILL_EVERY, kills + 1
                if chance.random() < 0.5:
                    mortal.end(signal.SIGKILL)
                    mortal = self.start_verifier()
                else:
                    calls += self.counted(loads[0])
                    loads.pop(0).end(signal.SIGKILL)
                    loads.append(self.start_load())
            time.sleep(0.1)
        calls += sum(self.counted(load) for load in loads)
        self.assertGreater(calls, 10 * SECONDS)
        self.assertGreater(kills, 0)
        before = 3 if SOAK_SECONDS else 2
        sessions = calls / CALLS_OF_A_SESSION * (4 - before) / 4
        for_the_cache = 0 if SECONDS / 2 >= CACHE_IS_FULL_AFTER else sessions * MOST_FOR_A_SESSION
        for name, samples in watched.items():
            figure(f"{name}: {samples.of_quarter(before):.1f} MiB, and {samples.of_quarter(4):.1f} in the last quarter of "
                   f"{SECONDS:.0f} s; {calls} calls, {kills} kills of verifiers and clients")
            self.assertLessEqual(samples.of_quarter(4) - samples.of_quarter(before), MOST_GROWTH + for_the_cache, name)
        credential = self.server.login(audiences=["orders"])["credential"]
        until(lambda: service.list(credential).code == OK)
        for load in loads:
            load.end(signal.SIGKILL)
        self.assertEqual(self.server.end(), 0, self.server.output())  # a sanitizer's report would be another code
        self.assertEqual(service.end(), 0, service.output())

    def counted(self, load):
        calls, failed = load.count()
        self.assertEqual(failed, 0, load.stderr())
        return calls


if __name__ == "__main__":
    unittest.main()
