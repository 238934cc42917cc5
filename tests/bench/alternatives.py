"""What one would do without Watchword, each as its own documentation says, beside the same service without a check."""

import contextlib
import hashlib
import pathlib
import shutil
import subprocess

from measure import BENCH, AuthServer, Service, log_in, paired
from harness import Process, Server
from cluster import DATABASE_PASSWORD, USER
from stores import fresh_mariadb

SESSION_TOKEN = 2


def alternatives(size, folder):
    """Calls of a service that does nothing, from 1,000 callers, each call checked: by the gate, by asking the auth
    service for each call, by verifying a JWT for each (which nobody can revoke), by a look-up in MariaDB or in Redis for
    each. All are measured in turns, beside the same service without a check; Go's beside the same in Go."""
    folder = pathlib.Path(folder)
    if not (BENCH / "alternatives_service").exists():
        raise RuntimeError("alternatives_service is missing: tests/bench.sh builds it")
    with contextlib.ExitStack() as stack:
        def service(*arguments, program="alternatives_service"):
            return stack.enter_context(contextlib.closing(Service(program, *arguments)))
        bare = service("--check", "none")
        sides = {"gate": (service("--gate", program="gate_service"), {}, bare),
                 "Validate for each call": (*ask_validate(stack, service, folder), bare),
                 "JWT verified for each call": (service("--check", "jwt"), {}, bare),
                 "SELECT on MariaDB for each call": (ask_mariadb(stack, service, folder), {}, bare),
                 "GET on Redis for each call": (ask_redis(stack, service, folder), {}, bare)}
        if (BENCH / "go_service").exists():
            sides["JWT interceptor of Go"] = (service("-check", program="go_service"), {}, service(program="go_service"))
        yield from in_turns(size, sides)


def in_turns(size, sides):
    results = {name: [] for name in sides}
    for _ in range(size.rounds):
        for name, (ours, options, reference) in sides.items():
            results[name].append([ours.load(seconds=size.seconds, **options), reference.load(seconds=size.seconds)])
    for name, rounds in results.items():
        for what, key, unit in (("calls", "per_second", "1/s"), ("p50", "p50_us", "us"), ("p99", "p99_us", "us")):
            yield paired(f"alternatives: {name}, {what}", unit, [ours[key] for ours, _ in rounds],
                         [reference[key] for _, reference in rounds])


def ask_validate(stack, service, folder):
    server = stack.enter_context(AuthServer.started(Server, folder / "auth"))
    bearers = [answer.credential for answer in log_in(server, 500, SESSION_TOKEN)]
    return service("--check", "validate", "--address", server.address), {"bearers": bearers}


def ask_mariadb(stack, service, folder):
    database = stack.enter_context(fresh_mariadb(folder))
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text(DATABASE_PASSWORD)
    database.sql("CREATE DATABASE look_up; CREATE TABLE look_up.credentials (digest BINARY(32) PRIMARY KEY, session "
                 f"VARBINARY(255) NOT NULL); GRANT ALL ON look_up.* TO {USER}@'%'")
    found = service("--check", "mysql", "--address", f"tcp://127.0.0.1:{database.port}/look_up", "--user", USER,
                    "--password-file", password)
    digests = (hashlib.sha256(each.encode()).hexdigest() for each in found.said["bearers"])
    database.sql("INSERT INTO look_up.credentials VALUES " + ", ".join(f"(UNHEX('{each}'), 'session')"
                                                                        for each in digests))
    return found


def ask_redis(stack, service, folder):
    socket = folder / "redis.socket"
    redis = Process(shutil.which("redis-server"), "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder)
    stack.callback(redis.close)
    redis.wait_for_line(lambda line: "ready to accept connections" in line.lower())
    found = service("--check", "redis", "--address", socket)
    commands = "".join(f"SET {each} session\n" for each in found.said["bearers"])
    subprocess.run(["redis-cli", "-s", str(socket)], input=commands, text=True, stdout=subprocess.DEVNULL, check=True,
                   timeout=60)
    return found
