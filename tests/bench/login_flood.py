"""Starts an auth service, floods it with logins (arguments go to login_flood_bench), and looks at its memory."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import Server, clean_environment  # noqa: E402

BENCH = pathlib.Path(os.environ.get("BENCH_DIR", ROOT / "build/release/bench"))
BUDGET = 64  # MiB


def peak_memory(server):
    """MiB."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


with tempfile.TemporaryDirectory(prefix="watchword-bench-") as folder:
    # The gate's own limit, which cannot say when to come again, is not what is measured.
    server = Server(folder, "--anonymous-rate", "100000", "--anonymous-connection-rate", "100000",
                    "--hash-budget", f"{BUDGET}MiB", "--hash-threads", "8")
    try:
        before = peak_memory(server)
        command = [BENCH / "login_flood_bench", "--address", server.address, "--username", "admin", *sys.argv[1:]]
        code = subprocess.run([*map(str, command)], input=server.admin_password, text=True,
                              env=clean_environment()).returncode
        after = peak_memory(server)
        print(f"memory: {before:.0f} MiB before, {after:.0f} MiB at most (bound {before + BUDGET + 64:.0f})")
        if after > before + BUDGET + 64:
            code = 1
        server.login()  # is well
    finally:
        server.close()
sys.exit(code)
