"""What the benchmarks share: programs that measure, servers that are measured, and what comes of it."""

import base64
import contextlib
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import AUTH, Process, Server, clean_environment  # noqa: E402
from rpc import Rpc, methods  # noqa: E402

BENCH = pathlib.Path(os.environ.get("BENCH_DIR", ROOT / "build/release/bench"))
PATIENCE = 7200  # seconds, for one program; the 20,000 pairs of login_timing take the better part of an hour


@dataclasses.dataclass
class Size:
    """How much is measured: `short` is for the tests, `long` for what takes more than half an hour."""
    short: bool = False
    long: bool = False

    @property
    def rounds(self):
        return 3 if self.short else 11

    @property
    def seconds(self):
        return 0.5 if self.short else 1.0


@dataclasses.dataclass
class Measurement:
    """`spread` is that of the ratio, if there is one, else that of the value."""
    name: str
    value: float
    unit: str
    reference: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None


def run(program, *arguments, stdin=""):
    """The lines of JSON that a program prints. It has failed if its exit code is not 0."""
    done = subprocess.run([str(BENCH / program), *map(str, arguments)], input=stdin, stdout=subprocess.PIPE, text=True,
                          env=clean_environment(), timeout=PATIENCE)
    if done.returncode != 0:
        raise RuntimeError(f"{program} failed with exit code {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def measurements(program, *arguments, stdin=""):
    """What a program has measured by itself."""
    return [Measurement(**line) for line in run(program, *arguments, stdin=stdin)]


@contextlib.contextmanager
def on_processors(part, parts):
    """What is started in it runs on this part of the processors, if there are as many as parts."""
    all_of_them = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(all_of_them)[part::parts] or all_of_them)
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_of_them)


def spread(values):
    return min(values), max(values)


def single(name, unit, values):
    """One thing that was measured several times."""
    return Measurement(name, statistics.median(values), unit, spread=spread(values))


def in_turns(rounds, ours, reference):
    """What two functions return, called in turns: each pair in the other order than the one before (A B B A …), so that
    a machine that gets slower or faster favours neither."""
    results = [], []
    for i in range(rounds):
        for which in ((0, 1), (1, 0))[i % 2]:
            results[which].append((ours, reference)[which]())
    return results


def compare(name, unit, ours, reference, rounds):
    """Measures two things in turns; each is a function that returns a number."""
    return paired(name, unit, *in_turns(rounds, ours, reference))


def paired(name, unit, ours, reference):
    """Two things that were measured in turns."""
    ratios = [a / b for a, b in zip(ours, reference)]
    return Measurement(name, statistics.median(ours), unit, statistics.median(reference), statistics.median(ratios),
                       spread(ratios))


def load(address, method, **options):
    """What load_bench measures; see there. Requests are bytes."""
    if "requests" in options:
        options["requests"] = [base64.b64encode(each).decode() for each in options["requests"]]
    return run("load_bench", stdin=json.dumps({"address": address, "method": "/" + method, **options}))[0]


def message(method, **fields):
    """A serialized request of a method."""
    return methods()[method][0](**fields).SerializeToString()


def responses(method, result):
    """The answers that load() has collected."""
    kind = methods()[method][1]
    return [kind.FromString(base64.b64decode(each)) for each in result["responses"]]


class Service(Process):
    """A service of the benchmarks, which says in a line of JSON where it is and which credentials it lets in."""

    def __init__(self, program, *arguments):
        super().__init__(BENCH / program, *arguments)
        self.said = json.loads(self.wait_for_line(lambda line: line.startswith("{")))
        self.lines.clear()  # the credentials are meant to be there

    def load(self, method="probe.v1.ProbeService/Unary", **options):
        return load(**{**self.said, "method": method, **options})


class AuthServer:
    """Makes a server of any kind one that a benchmark can press: the gate's caps on anonymous calls, which are not what
    is measured, are out of the way, and it is called without a process for each call."""

    # A login may wait for long, as on a machine that is busy; where refusals are measured, not.
    PATIENT = ("--hash-max-wait", "1m")
    UNLIMITED = ("--anonymous-rate", "1000000", "--anonymous-connection-rate", "1000000")

    @staticmethod
    @contextlib.contextmanager
    def started(kind, *arguments, patient=True, **options):
        server = kind(*arguments, *AuthServer.UNLIMITED, *(AuthServer.PATIENT if patient else ()), **options)
        server.grpc = Rpc(server.address)
        try:
            yield server
        finally:
            server.grpc.close()
            server.close()


class CostlyServer(Server):
    """With the hashes that a server makes by default."""
    CHEAP_HASHES = ()


def log_in(server, count, kind):
    """The answers of `count` logins of the administrator."""
    request = message(AUTH + "Login", username="admin", password=server.admin_password, kind=kind)
    result = load(server.address, AUTH + "Login", requests=[request] * count, once=True, responses=True,
                  threads=1, in_flight=8)
    return responses(AUTH + "Login", result)
