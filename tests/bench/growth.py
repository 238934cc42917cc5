"""What Login, Validate, Refresh and Logout cost with more and more sessions in the store, and what clean-up costs."""

import contextlib
import pathlib
import signal
import statistics

from measure import AuthServer, Measurement, compare, load, log_in, message, single, spread
from harness import AUTH, Server, until
from stores import fill_mariadb, fill_sqlite, fresh_mariadb, mysql_server

ACCESS_TOKEN, SESSION_TOKEN = 1, 2
EXPIRED_ROWS = 1_000_000
OPERATIONS = ("Login", "Validate", "Refresh", "Logout")


def growth(size, folder):
    """Login, Validate (of a session that is not in memory), Refresh and Logout, one at a time, with 10,000 sessions in
    the store and with more. All sizes are measured in turns; the cost is the median time of a call as the client sees
    it. Hashes are cheap (8 MiB, one pass), so that the store shows. And, on MariaDB: logouts per second of many clients,
    and Login while expired sessions are deleted."""
    folder = pathlib.Path(folder)
    sizes = [1_000, 5_000] if size.short else [10_000, 100_000, 1_000_000] + ([10_000_000] if size.long else [])
    with contextlib.ExitStack() as stack:
        yield from measure_store("SQLite", size, {each: stack.enter_context(sqlite_with(folder, each))
                                                  for each in sizes})
    if size.short:
        return
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(fresh_mariadb(folder / "database"))
        servers = {each: stack.enter_context(mariadb_with(database, folder, each)) for each in sizes}
        yield from measure_store("MariaDB", size, servers)
        yield logouts_per_second(size, servers[sizes[0]])
    with fresh_mariadb(folder / "clean-up") as database:
        yield from clean_up(size, database, folder)


@contextlib.contextmanager
def sqlite_with(folder, sessions):
    path = folder / f"sqlite-{sessions}"
    with AuthServer.started(Server, path) as server:
        password = server.admin_password
    fill_sqlite(path / "data" / "watchword.db", sessions)
    with AuthServer.started(Server, path, admin_password=password) as server:
        yield server


@contextlib.contextmanager
def mariadb_with(database, folder, sessions, expired=False, name=None):
    schema = name or f"with_{sessions}"
    with mysql_server(database, folder / schema, schema=schema) as server:
        fill_mariadb(database, schema, sessions, expired)
        yield server


def measure_store(store, size, servers):
    """Each operation at each size, in turns."""
    costs = {(operation, sessions): [] for operation in OPERATIONS for sessions in servers}
    for _ in range(size.rounds):
        for sessions, server in servers.items():
            for operation, cost in one_round(server, 10 if size.short else 100).items():
                costs[operation, sessions].append(cost)
    least = min(servers)
    for operation in OPERATIONS:
        yield single(f"growth: {store}, {operation} at {least}", "us", costs[operation, least])
        for sessions in sorted(servers)[1:]:
            ratios = [a / b for a, b in zip(costs[operation, sessions], costs[operation, least])]
            yield Measurement(f"growth: {store}, {operation} at {sessions} ÷ at {least}",
                              statistics.median(costs[operation, sessions]), "us",
                              statistics.median(costs[operation, least]), statistics.median(ratios), spread(ratios))


def one_round(server, count):
    """The median time of each operation in microseconds, one call at a time."""
    def measured(method, **options):
        return load(server.address, AUTH + method, once=True, threads=1, in_flight=1, **options)

    def login_request(kind):
        return message(AUTH + "Login", username="admin", password=server.admin_password, kind=kind)
    costs = {"Login": measured("Login", requests=[login_request(ACCESS_TOKEN)] * count)["p50_us"]}
    fresh = log_in(server, count, SESSION_TOKEN)
    costs["Validate"] = measured("Validate", bearers=[each.credential for each in fresh])["p50_us"]
    fresh = log_in(server, count, ACCESS_TOKEN)
    requests = [message(AUTH + "Refresh", refresh_token=each.refresh_token) for each in fresh]
    costs["Refresh"] = measured("Refresh", requests=requests)["p50_us"]
    costs["Logout"] = measured("Logout", bearers=[each.credential for each in fresh])["p50_us"]
    return costs


def logouts_per_second(size, server):
    """Of 128 clients at once, on one server: their revocations are committed in groups."""
    rates = []
    for _ in range(size.rounds):
        bearers = [each.credential for each in log_in(server, 1000, ACCESS_TOKEN)]
        rates.append(load(server.address, AUTH + "Logout", bearers=bearers, once=True, in_flight=64)["per_second"])
    return single("growth: MariaDB, logouts per second", "1/s", rates)


def clean_up(size, database, folder):
    """The p99 of Login of a server that is deleting a million sessions, and of one that has as many which live. The first
    is stopped (SIGSTOP) while the other is measured: they share the machine and the database server."""
    with mariadb_with(database, folder, EXPIRED_ROWS, name="living") as calm, \
            mariadb_with(database, folder, EXPIRED_ROWS, expired=True, name="expired") as busy:
        def expired_rows():
            return database.value("SELECT COUNT(*) FROM expired.sessions WHERE revoked_at IS NULL AND created_at < "
                                  "UNIX_TIMESTAMP(NOW() - INTERVAL 8 DAY) * 1000000")
        until(lambda: expired_rows() < EXPIRED_ROWS)  # it has begun
        begun_with = expired_rows()

        def p99(server):
            busy.process.send_signal(signal.SIGCONT if server is busy else signal.SIGSTOP)
            request = message(AUTH + "Login", username="admin", password=server.admin_password)
            return load(server.address, AUTH + "Login", requests=[request], threads=1, in_flight=1,
                        seconds=3 * size.seconds)["p99_us"]
        try:
            yield compare("growth: MariaDB, Login p99 while a million rows are deleted", "us", lambda: p99(busy),
                          lambda: p99(calm), size.rounds)
        finally:
            busy.process.send_signal(signal.SIGCONT)
        left = expired_rows()
        if left == 0:
            raise RuntimeError("the clean-up ended before the measurement did")
        yield Measurement("growth: MariaDB, rows deleted meanwhile", begun_with - left, "")
