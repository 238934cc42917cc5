"""Starts an auth service and measures how fast a logout reaches many verifiers; arguments go to feed_lag_bench."""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import Server, clean_environment  # noqa: E402

BENCH = pathlib.Path(os.environ.get("BENCH_DIR", ROOT / "build/release/bench"))

with tempfile.TemporaryDirectory(prefix="watchword-bench-") as folder:
    server = Server(folder)
    try:
        command = [BENCH / "feed_lag_bench", "--address", server.address, "--service-account", server.service_account()]
        code = subprocess.run([*map(str, command), *sys.argv[1:]], env=clean_environment(), timeout=280).returncode
    finally:
        server.close()
sys.exit(code)
