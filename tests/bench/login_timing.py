"""Starts an auth service with users whose accounts differ in all that must not show; arguments go to login_timing_bench."""

import contextlib
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import Command, Server, clean_environment, remember  # noqa: E402

FAILURES_OF_ONE = 40  # as login_timing_bench.cc has it
BENCH = pathlib.Path(os.environ.get("BENCH_DIR", ROOT / "build/release/bench"))

# All of them cheaper than what the server makes.
HASHES = {
    "older-cost": "$argon2id$v=19$m=8,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$FjK/hS0Y4YcNN3KVzEvRbScF/d0/UDJ8d5Kiv0yslPM",
    "bcrypt": "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "pbkdf2": "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44",
    "no-password": "",
}


def pairs_wanted():
    """--pairs of the arguments, or what login_timing_bench does without."""
    return int(sys.argv[sys.argv.index("--pairs") + 1]) if "--pairs" in sys.argv else 20_000


def hash_of_admin(server):
    """As the server makes them."""
    with contextlib.closing(sqlite3.connect(server.data / "watchword.db")) as database:
        return database.execute("SELECT password_hash FROM principals").fetchone()[0].decode()


def add_users(server):
    """So many of each sort that none of them is blocked for its failures."""
    hashes = {"wrong-password": hash_of_admin(server), "disabled": hash_of_admin(server), **HASHES}
    lines = []
    for sort, password_hash in hashes.items():
        remember(password_hash)
        for i in range(pairs_wanted() // FAILURES_OF_ONE + 1):
            lines.append(json.dumps({"username": f"{sort}-{i}", "password_hash": password_hash,
                                     "disabled": sort == "disabled"}))
    command = Command(server.data.parent, server.address)
    command.json("login", "admin", "--password-stdin", stdin=server.admin_password)
    code, out, err = command.run("user", "import", "-", stdin="\n".join(lines) + "\n")
    assert code == 0, out + err
    return list(hashes)


with tempfile.TemporaryDirectory(prefix="watchword-bench-") as folder:
    server = Server(folder, "--account-free-failures", "50")
    try:
        names = [part for name in add_users(server) for part in ("--name", name)]
        command = [BENCH / "login_timing_bench", "--address", server.address, *names]
        code = subprocess.run([*map(str, command), *sys.argv[1:]], env=clean_environment()).returncode
    finally:
        server.close()
sys.exit(code)
