"""Starts an auth service with users whose accounts differ in all that must not show; arguments go to login_timing_bench."""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import ADMIN, OK, Server, clean_environment, remember  # noqa: E402

BENCH = pathlib.Path(os.environ.get("BENCH_DIR", ROOT / "build/release/bench"))

# All of them cheaper than what the server makes.
HASHES = {
    "older-cost": "$argon2id$v=19$m=8,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$FjK/hS0Y4YcNN3KVzEvRbScF/d0/UDJ8d5Kiv0yslPM",
    "bcrypt": "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "pbkdf2": "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44",
    "no-password": "",
}


def add_users(server):
    admin = server.login()["credential"]

    def call(method, **request):
        reply = server.grpc.call(ADMIN + method, bearer=admin, **request)
        assert reply.code == OK, reply

    server.add_user("wrong-password")
    server.add_user("disabled")
    call("DisableUser", username="disabled")
    for name, password_hash in HASHES.items():
        remember(password_hash)
        call("ImportUser", username=name, password_hash=password_hash)
    return ["wrong-password", "disabled", *HASHES]


with tempfile.TemporaryDirectory(prefix="watchword-bench-") as folder:
    server = Server(folder)
    try:
        names = [part for name in add_users(server) for part in ("--name", name)]
        command = [BENCH / "login_timing_bench", "--address", server.address, *names]
        code = subprocess.run([*map(str, command), *sys.argv[1:]], env=clean_environment()).returncode
    finally:
        server.close()
sys.exit(code)
