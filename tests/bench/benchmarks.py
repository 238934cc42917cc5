"""Each benchmark by its name: a function of a Size and a folder that yields measurements."""

import contextlib
import sqlite3
import os
import pathlib

from measure import (AuthServer, CostlyServer, Measurement, Service, Size, compare, in_turns, load, log_in, measurements,
                     message, on_processors, paired, responses, run)
from harness import AUTH, Server, memory_of
from growth import growth
from alternatives import alternatives
from stores import fresh_mariadb, mysql_server, refresh_stores

ACCESS_TOKEN, SESSION_TOKEN = 1, 2
THREADS = os.cpu_count()


def interceptor(size: Size, folder):
    """Calls of a service that does nothing, from 1,000 callers: with a gate that knows a million revocations, and
    without."""
    kinds = [("callback", []), ("sync", ["--sync"]), ("callback, TLS", ["--tls"])]
    revocations = ["--revocations", 10_000 if size.short else 1_000_000]
    for kind, flags in kinds[:1] if size.short else kinds:
        with contextlib.closing(Service("gate_service", *flags)) as bare, \
                contextlib.closing(Service("gate_service", *flags, "--gate", *revocations)) as gate:
            # Without a gate, the same bytes are sent: credentials that nobody looks at.
            ours, reference = in_turns(size.rounds, lambda: gate.load(seconds=size.seconds),
                                       lambda: bare.load(seconds=size.seconds))
            for what, key, unit in (("calls", "per_second", "1/s"), ("p50", "p50_us", "us"), ("p99", "p99_us", "us")):
                yield paired(f"interceptor: {kind}, {what}", unit, [each[key] for each in ours],
                             [each[key] for each in reference])


def verify_cached(size, folder):
    """A credential that was checked before, with a million revocations in force: what is left is a look-up. Beside
    OpenSSL's bare check of its signature."""
    yield from measurements("verify_bench", "cached", *verify_size(size))


def verify_uncached(size, folder):
    """A credential that is not in the cache: the whole check beside OpenSSL's bare check of its signature."""
    yield from measurements("verify_bench", "uncached", *verify_size(size))


def verify_size(size):
    return ("--revocations", 100_000, "--rounds", 3) if size.short else ()


def validate(size, folder):
    """Validate of credentials that the server knows, beside a health check of the same server by the same callers, and
    beside a service without a gate that does nothing."""
    with AuthServer.started(Server, folder) as server, contextlib.closing(Service("gate_service")) as nothing:
        for kind, name in ((ACCESS_TOKEN, "access tokens"), (SESSION_TOKEN, "session tokens")):
            bearers = [answer.credential for answer in log_in(server, 20 if size.short else 500, kind)]

            def validates():
                return load(server.address, AUTH + "Validate", bearers=bearers, seconds=size.seconds)["per_second"]

            def checks_health():
                return load(server.address, "grpc.health.v1.Health/Check", bearers=bearers,
                            seconds=size.seconds)["per_second"]

            def does_nothing():
                return nothing.load(bearers=bearers, seconds=size.seconds)["per_second"]
            yield compare(f"validate: {name}, ÷ an empty RPC of the same server", "1/s", validates, checks_health,
                          size.rounds)
            if not size.short:
                yield compare(f"validate: {name}, ÷ a service that does nothing", "1/s", validates, does_nothing,
                              size.rounds)


def login(size, folder):
    """Logins beside bare Argon2id hashes of the same cost, on as many threads."""
    with AuthServer.started(CostlyServer, folder, "--hash-threads", THREADS) as server:
        request = message(AUTH + "Login", username="admin", password=server.admin_password)

        def logins():
            return load(server.address, AUTH + "Login", requests=[request], threads=1, in_flight=4 * THREADS,
                        seconds=2 * size.seconds)["per_second"]

        def hashes():
            return run("hash_bench", "--threads", THREADS, "--seconds", 2 * size.seconds)[0]["per_second"]
        yield compare("login: logins", "1/s", logins, hashes, size.rounds)


def login_flood(size, folder):
    """Ten times as many logins as can be hashed: what Validate feels of them, and what they cost. Who floods has half of
    the processors, and the server the others: there would be less to hash with, and longer to wait, if they shared them."""
    budget = 64  # MiB
    with contextlib.ExitStack() as stack:
        with on_processors(0, 2):
            server = stack.enter_context(
                AuthServer.started(CostlyServer, folder, "--hash-budget", f"{budget}MiB", patient=False))
        before = memory_of(server, peak=True)
        with on_processors(1, 2):
            yield from measurements("login_flood_bench", "--address", server.address, "--username", "admin",
                                    *(("--rounds", 1, "--seconds", 3) if size.short else ()), stdin=server.admin_password)
        grown = (memory_of(server, peak=True) - before) / (1 << 20)
        yield Measurement("login_flood: memory beyond the budget", max(grown - budget, 0), "MiB")


# All of them cheaper than what the server makes.
IMPORTED = {
    "older-cost": "$argon2id$v=19$m=8,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$FjK/hS0Y4YcNN3KVzEvRbScF/d0/UDJ8d5Kiv0yslPM",
    "bcrypt": "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "pbkdf2": "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44",
    "no-password": "",
}


FAILURES_OF_ONE = 40  # as login_timing_bench.cc has it: so few that no account is blocked


def login_timing(size, folder):
    """Whether the time of a failed login tells which users exist: the probability that one takes longer than the other
    (AUC), for users whose accounts differ in all that must not show."""
    # 40 pairs leave a standard error of 0.065: noise does not get to the guard, and a hash left out is at 0.5.
    pairs = 40 if size.short else 20_000 if size.long else 500
    with AuthServer.started(Server, folder, "--account-free-failures", "50") as server:
        admin = server.login()["credential"]
        hashes = {"wrong-password": hash_of_admin(server), "disabled": hash_of_admin(server), **IMPORTED}
        for sort, password_hash in hashes.items():
            for i in range(pairs // FAILURES_OF_ONE + 1):
                must(server.grpc.call("watchword.v1.AdminService/ImportUser", bearer=admin, username=f"{sort}-{i}",
                                      password_hash=password_hash, disabled=sort == "disabled"))
        names = [part for sort in hashes for part in ("--name", sort)]
        yield from measurements("login_timing_bench", "--address", server.address, *names, "--pairs", pairs)


def hash_of_admin(server):
    """As the server makes them."""
    with contextlib.closing(sqlite3.connect(server.data / "watchword.db")) as database:
        return database.execute("SELECT password_hash FROM principals").fetchone()[0].decode()


def must(reply):
    if reply.code != 0:
        raise RuntimeError(reply)


def logout_lag(size, folder):
    """From the answer of a Logout until each of 100 verifiers refuses the session: watching the same server, and others
    on one MariaDB; and with wait_for_verifiers, where the call itself waits."""
    logouts = ("--logouts", 10 if size.short else 200)
    with AuthServer.started(Server, folder) as server:
        account = ("--address", server.address, "--service-account", server.service_account())
        yield from measurements("feed_lag_bench", *account, *logouts, "--name", "logout_lag: one server")
        yield from measurements("feed_lag_bench", *account, *logouts, "--wait", "--name",
                                "logout_lag: one server, waiting")
    if size.short:
        return
    with fresh_mariadb(pathlib.Path(folder) / "replicas") as database, contextlib.ExitStack() as stack:
        servers = [stack.enter_context(mysql_server(database, database.folder / "all", name=f"server-{i}"))
                   for i in range(3)]
        account = ("--address", servers[0].address, "--service-account", servers[0].service_account(),
                   "--verifiers-at", servers[1].address, "--verifiers-at", servers[2].address)
        yield from measurements("feed_lag_bench", *account, *logouts, "--name", "logout_lag: across servers")
        yield from measurements("feed_lag_bench", *account, *logouts, "--wait", "--name",
                                "logout_lag: across servers, waiting")


def revocations(size, folder):
    """What revocations in force cost a verifier: memory, taking them over from the feed, a look-up."""
    entries = [10_000, 1_000_000] if size.short else [10_000, 1_000_000, 10_000_000]
    yield from measurements("revocations_bench", *(part for each in entries for part in ("--entries", each)))


def refresh(size, folder):
    """Refreshes beside the store's bare rate of durable writes (one UPDATE and its commit), on as many connections."""
    for name, server, writes in refresh_stores(folder):
        requests = [message(AUTH + "Refresh", refresh_token=answer.refresh_token)
                    for answer in log_in(server, 32, ACCESS_TOKEN)]

        def refreshes():
            # Each chain begins with the newest token of its session.
            result = load(server.address, AUTH + "Refresh", requests=list(requests), chain=True, in_flight=16,
                          seconds=size.seconds, responses=True)
            newest(result, requests)
            return result["per_second"]
        yield compare(f"refresh: {name}", "1/s", refreshes, lambda: writes(size.seconds), size.rounds)


def newest(result, requests):
    """Sets the requests to refresh with each session's newest token: the last in the order of their sessions' answers."""
    by_session = {}
    for answer in responses(AUTH + "Refresh", result):
        by_session[answer.session_id] = answer.refresh_token  # of one session they are in order
    requests[:] = [message(AUTH + "Refresh", refresh_token=token) for token in by_session.values()]


BENCHMARKS = {each.__name__: each for each in (
    interceptor, verify_cached, verify_uncached, validate, login, login_flood, login_timing, logout_lag, revocations,
    growth, refresh, alternatives)}
