#!/usr/bin/python3
"""A MariaDB server of the tests' own, never the system's: in a folder, on a socket there and a loopback port. Or a MySQL
server, if $WATCHWORD_TEST_MYSQLD names its program (tests/mysql8.sh does).

    mariadb.py start FOLDER      starts one and returns when it answers on FOLDER/socket
    mariadb.py stop FOLDER       ends it
"""

import fcntl
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 60  # seconds; a test that needs it fails anyway
# Debian keeps servers where users' PATH does not lead.
SEARCH = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
MYSQLD = os.environ.get("WATCHWORD_TEST_MYSQLD")
SERVER = MYSQLD or "mariadbd"


def program(name):
    found = shutil.which(name, path=SEARCH)
    if found is None:
        raise RuntimeError(f"{name} is missing; tests/run.sh installs it (package mariadb-server-core)")
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class MariaDb:
    """One server. What it acknowledges is on the disk, as Watchword asks for, unless `options` say otherwise."""

    def __init__(self, folder, *options, files=None):
        """`files`: the folder of one that was stopped, whose data this one begins with."""
        self.folder = pathlib.Path(folder)
        self.socket = self.folder / "socket"
        self.options = list(options)
        self.port = free_port()
        self.process = None
        self.make_files(files)
        self.start()

    def make_files(self, files):
        if (self.folder / "data").exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if files is not None:
            shutil.copytree(pathlib.Path(files) / "data", self.folder / "data")
        else:
            self.install(self.folder / "data")

    @classmethod
    def install(cls, data):
        command = [program("mariadb-install-db"), "--no-defaults", "--auth-root-authentication-method=normal",
                   "--skip-test-db", "--innodb-log-file-size=8M"]
        if MYSQLD:
            command = [MYSQLD, "--no-defaults", "--initialize-insecure"]
        subprocess.run([*command, f"--datadir={data}", *cls.user()], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=10 * PATIENCE)

    @classmethod
    def files_in(cls, folder):
        """A folder for `files`, as new, in `folder`: made by the first who asks, for this release of the server."""
        release = subprocess.run([program(SERVER), "--no-defaults", "--version"], check=True, capture_output=True,
                                 text=True, timeout=PATIENCE).stdout.split()[2]
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        made = folder / f"mariadb-{release}"
        with open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                with tempfile.TemporaryDirectory(dir=folder) as unfinished:
                    cls.install(pathlib.Path(unfinished) / "data")
                    pathlib.Path(unfinished).rename(made)
                    pathlib.Path(unfinished).mkdir()  # which is to be removed
        return made

    @staticmethod
    def user():
        return ["--user=root"] if os.geteuid() == 0 else []

    def command(self):
        # Servers delete each other's temporary tables from a folder that they share.
        (self.folder / "tmp").mkdir(exist_ok=True)
        return [program(SERVER), "--no-defaults", *self.user(), f"--datadir={self.folder / 'data'}",
                f"--tmpdir={self.folder / 'tmp'}",
                f"--socket={self.socket}", f"--pid-file={self.folder / 'pid'}", f"--port={self.port}",
                "--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1",
                "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--performance-schema=OFF",
                "--max-connections=300", "--skip-name-resolve", *(["--mysqlx=OFF"] if MYSQLD else []), *self.options]

    def start(self):
        """Starts it, also again after it was ended, and returns when it answers."""
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        start_new_session=True)
        log.close()
        self.wait_until_it_answers()

    def wait_until_it_answers(self):
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{SERVER} does not start:\n{(self.folder / 'log').read_text(errors='replace')[-3000:]}")
            time.sleep(0.02)

    def answers(self):
        return self.sql("SELECT 1", check=False).returncode == 0

    def sql(self, text, database="", check=True):
        """Runs statements as root. Returns the process; `rows` is easier to read."""
        done = subprocess.run([program("mariadb"), "--no-defaults", f"--socket={self.socket}", "--user=root",
                               "--batch", "--skip-column-names", *([database] if database else [])],
                              input=text, capture_output=True, text=True, timeout=PATIENCE)
        if check and done.returncode != 0:
            raise RuntimeError(f"{text}: {done.stderr}")
        return done

    def rows(self, text, database=""):
        return [line.split("\t") for line in self.sql(text, database).stdout.splitlines()]

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)


def start(folder):
    if os.path.islink(folder):  # of a run that was cut short
        stop(folder)
    # A socket's path is short: the server runs in /tmp, whatever the build folder is called.
    place = pathlib.Path(tempfile.mkdtemp(prefix="watchword-mariadb-"))
    try:
        MariaDb(place)
    except Exception:
        shutil.rmtree(place)
        raise
    pathlib.Path(folder).symlink_to(place)


def stop(folder):
    place = pathlib.Path(folder).resolve()
    with contextlib.suppress(FileNotFoundError):  # it is not running any more
        process = pathlib.Path("/proc") / (place / "pid").read_text().strip()
        if (process / "comm").read_text().strip() == pathlib.Path(SERVER).name:
            os.kill(int(process.name), signal.SIGTERM)
            deadline = time.monotonic() + PATIENCE
            while process.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
    shutil.rmtree(place, ignore_errors=True)
    pathlib.Path(folder).unlink()


if __name__ == "__main__":
    {"start": start, "stop": stop}[sys.argv[1]](sys.argv[2])
