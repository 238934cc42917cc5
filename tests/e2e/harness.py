"""What the end-to-end tests share: the servers as processes, grpcurl, the watchword command.

Servers choose free ports themselves. Nothing waits for a fixed time: readiness is a line of the server's log. Every
password, token and hash that passes through here is remembered, and no log may hold one of them.
"""

import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("BIN_DIR", ROOT / "build/release/bin"))
TEST_BIN = pathlib.Path(os.environ.get("TEST_BIN_DIR", ROOT / "build/release/tests"))
TOOLS = pathlib.Path(os.environ.get("TOOLS_DIR", ROOT / "build/tools/bin"))
PATIENCE = 60  # seconds; a test that needs it fails anyway

OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED = 0, 3, 4, 5, 6, 7
RESOURCE_EXHAUSTED, FAILED_PRECONDITION, UNIMPLEMENTED, UNAVAILABLE, UNAUTHENTICATED = 8, 9, 12, 14, 16

AUTH = "watchword.v1.AuthService/"
ADMIN = "watchword.v1.AdminService/"
TRUST = "watchword.v1.TrustService/"
ORDERS = "orders.v1.OrdersService/"

_secrets = set()
# JWTs, session and refresh tokens, password hashes, private keys.
LOOKS_SECRET = re.compile(r"eyJ[\w-]{8,}|ww_[srk]_[\w-]{8,}|\$argon2|\$2[aby]\$|\$[67y]\$|\$scrypt\$|pbkdf2[\w-]*\$|PRIVATE KEY")


def remember(secret):
    """Marks a string as one that no log may hold."""
    if secret:
        _secrets.add(secret)
    return secret


def secrets_in(text):
    """What no log, metric or message may hold, as far as it is in `text`."""
    return [secret for secret in _secrets if secret in text] + LOOKS_SECRET.findall(text)


def new_password():
    return remember("canary-" + secrets.token_urlsafe(18))


def grpcurl_path():
    found = shutil.which("grpcurl", path=f"{TOOLS}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise RuntimeError("grpcurl is missing; tests/run.sh installs it")
    return found


def clean_environment(**more):
    """Settings of whoever runs the tests must not get into them."""
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", **sanitizer_settings(), **more}


def sanitizer_settings():
    return {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}


def free_port():
    """A port for a server that cannot say which one it has chosen, or must be known before it runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A server. Its standard output is read as it comes, so that tests can wait for a line of it."""

    def __init__(self, *command, stdin=subprocess.DEVNULL, **environment):
        self.command = [str(part) for part in command]
        self.lines = []
        self._changed = threading.Condition()
        self._ended = False
        self._stderr = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(self.command, stdin=stdin, stdout=subprocess.PIPE, stderr=self._stderr,
                                        text=True, env=clean_environment(**environment))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for_line(self, wanted):
        """The first line for which `wanted(line)` is true."""
        with self._changed:
            def first():
                return next((line for line in self.lines if wanted(line)), None)
            self._changed.wait_for(lambda: first() is not None or self._ended, PATIENCE)
            if first() is None:
                raise AssertionError(f"{self.command[0]} did not say what was expected:\n{self.output()}")
            return first()

    def wait_for_message(self, message):
        """The first log entry with this message."""
        return json.loads(self.wait_for_line(lambda line: json.loads(line).get("message") == message))

    def stderr(self):
        self._stderr.seek(0)
        return self._stderr.read()

    def output(self):
        return "\n".join(self.lines) + "\n" + self.stderr()

    def end(self, with_signal=signal.SIGTERM):
        """Sends a signal and returns the exit code."""
        self.process.send_signal(with_signal)
        return self.wait()

    def wait(self):
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        found = self.secrets_in_output()
        assert not found, f"in the output of {self.command[0]}: {found}"
        return code

    def secrets_in_output(self):
        return secrets_in(self.output())

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        try:
            self.wait()
        finally:
            self.process.stdout.close()
            self._stderr.close()


class Reply:
    """What grpcurl was told: the response, or the error with its details."""

    def __init__(self, process):
        self.code, self.message, self.response, self.details = OK, "", {}, []
        if process.returncode == 0:
            self.response = json.loads(process.stdout or "{}")
            for field in ("credential", "refresh_token", "secret"):
                remember(self.response.get(field))
            return
        try:
            error = json.loads(process.stderr)
        except json.JSONDecodeError:
            raise ConnectionError(process.stderr) from None
        self.code, self.message = error["code"], error.get("message", "")
        self.details = error.get("details", [])

    def detail(self, name):
        return next((each for each in self.details if each["@type"].endswith("/google.rpc." + name)), None)

    @property
    def reason(self):
        return self.message.split(":")[0]

    def __repr__(self):
        return f"code {self.code}, {self.message or json.dumps(self.response)}, {self.details}"


class Grpcurl:
    """Calls one server with grpcurl, which knows it through reflection. Secrets never get into the arguments."""

    def __init__(self, address, *flags):
        self.address = address
        self.flags = flags or ("-plaintext",)

    def run(self, *arguments, stdin="", bearer=None):
        flags, environment = list(self.flags), clean_environment()
        if bearer is not None:
            flags += ["-expand-headers", "-H", "authorization: Bearer ${BEARER}"]
            environment["BEARER"] = bearer
        return subprocess.run([grpcurl_path(), *flags, *arguments], input=stdin, capture_output=True, text=True,
                              timeout=PATIENCE, env=environment)

    def call(self, method, bearer=None, headers=(), **request):
        flags = [part for header in headers for part in ("-H", header)]
        return Reply(self.run("-format-error", "-max-time", str(PATIENCE), *flags, "-d", "@", self.address, method,
                              stdin=json.dumps(request), bearer=bearer))

    def describe(self, what):
        return self.run(self.address, "describe", what).stdout


class Server(Process):
    """watchwordd on a data folder, with cheap hashes and an administrator."""

    ISSUER = "https://watchword.test"
    CHEAP_HASHES = ("--hash-memory", "8MiB", "--hash-passes", "1")
    ALL_FROM_ONE_ADDRESS = ("--source-free-failures", "0")

    def __init__(self, folder, *flags, port=0, grpcurl_flags=(), admin_password=None):
        self.data = pathlib.Path(folder) / "data"
        super().__init__(BIN / "watchwordd", "--data-dir", self.data, "--issuer", self.ISSUER, "--listen",
                         f"127.0.0.1:{port}", "--ops-listen", "127.0.0.1:0", "--bootstrap-admin", "admin",
                         *self.CHEAP_HASHES,
                         *(() if "--source-free-failures" in flags else self.ALL_FROM_ONE_ADDRESS), *flags)
        try:
            self.wait_for_message("operations port listening")
            self.wait_for_message("ready")
        except AssertionError:
            self.close()
            raise
        self.port = int(self.wait_for_message("listening")["port"])
        self.ops_port = int(self.wait_for_message("operations port listening")["port"])
        self.address = f"127.0.0.1:{self.port}"
        self.grpc = Grpcurl(self.address, *grpcurl_flags)
        generated = self.data / "bootstrap-admin-password"  # not there if another server has made the administrator
        self.admin_password = admin_password or (generated.read_text().strip() if generated.exists() else None)
        remember(self.admin_password)

    def close(self):
        if self.process.poll() is None and hasattr(self, "ops_port"):
            for path in ("/metrics", "/readyz", "/livez"):
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{self.ops_port}{path}", timeout=PATIENCE) as shown:
                        found = secrets_in(shown.read().decode())
                except OSError:  # it is stopping, or not ready
                    continue
                assert not found, f"in {path}: {found}"
        super().close()

    def login(self, username="admin", password=None, **request):
        reply = self.grpc.call(AUTH + "Login", username=username, password=password or self.admin_password, **request)
        assert reply.code == OK, reply
        return reply.response

    def add_user(self, username, scopes=()):
        """Makes a user and returns the password."""
        password = new_password()
        reply = self.grpc.call(ADMIN + "CreateUser", bearer=self.login()["credential"], username=username,
                               password=password, scopes=list(scopes))
        assert reply.code == OK, reply
        return password

    def service_account(self, name="orders", scopes=("watchword.verifier",)):
        """The file of a service account, which is made the first time."""
        path = self.data / f"{name}.account"
        if not path.exists():
            reply = self.grpc.call(ADMIN + "CreateServiceAccount", bearer=self.login()["credential"], name=name,
                                   scopes=list(scopes))
            assert reply.code == OK, reply
            path.touch(mode=0o600)
            path.write_text(json.dumps({"name": name, "secret": remember(reply.response["secret"])}))
        return path

    def verifier_login(self):
        """A credential that may watch the trust feed."""
        account = json.loads(self.service_account().read_text())
        return self.login(account["name"], account["secret"])["credential"]

    def validate(self, credential):
        reply = self.grpc.call(AUTH + "Validate", bearer=credential)
        assert reply.code == OK, reply
        return reply.response


class Orders(Process):
    """The example service."""

    def __init__(self, auth_address, account, *flags, issuer=Server.ISSUER):
        self.address = f"127.0.0.1:{free_port()}"
        super().__init__(BIN / "orders", "--listen", self.address, "--auth-service", auth_address, "--issuer", issuer,
                         "--service-account", account, *flags)
        self.grpc = Grpcurl(self.address)
        self.wait_for_line(lambda line: line.startswith("orders listens"))

    def wait_for_trust(self, credential):
        """Waits until it can judge credentials at all."""
        until(lambda: self.list(credential).code != UNAVAILABLE)

    def list(self, credential):
        return self.grpc.call(ORDERS + "ListOrders", bearer=credential)


class SessionLoad(Process):
    """Clients that log in, refresh, validate and log out, again and again: session_load.cc."""

    def __init__(self, address, username, password, *flags):
        theirs, self._questions = os.pipe()
        self.spoken = 0
        super().__init__(TEST_BIN / "session_load", "--address", address, "--user", username, *flags,
                         PASSWORD=password, stdin=theirs)
        os.close(theirs)

    def count(self):
        """(calls, failed calls) so far."""
        os.write(self._questions, b"\n")
        return self._answer()

    def stop(self):
        os.close(self._questions)
        counted = self._answer()
        assert self.wait() == 0, self.output()
        return counted

    def _answer(self):
        self.spoken += 1
        self.wait_for_line(lambda _: len(self.lines) >= self.spoken)
        return tuple(int(part) for part in self.lines[self.spoken - 1].split())


class Command:
    """The watchword command, with a state folder of its own."""

    def __init__(self, folder, address, *flags):
        self.state = pathlib.Path(folder) / "state"
        self.flags = ("--address", address, *flags)

    def start(self, *arguments, stdin=subprocess.PIPE):
        command = [str(BIN / "watchword"), *arguments, *self.flags]
        assert not any(secret in part for secret in _secrets for part in command), "a secret in the arguments"
        return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=clean_environment(HOME="/nonexistent", XDG_STATE_HOME=str(self.state)))

    def run(self, *arguments, stdin=""):
        """(exit code, standard output, standard error)"""
        with self.start(*arguments) as process:
            out, err = process.communicate(stdin, PATIENCE)
        assert not any(secret in err for secret in _secrets), "a secret in the messages"
        return process.returncode, out, err

    def json(self, *arguments, stdin=""):
        code, out, err = self.run(*arguments, "--output", "json", stdin=stdin)
        assert code == 0, f"exit code {code}: {err}"
        return json.loads(out)


def memory_of(process, peak=False):
    """The resident memory of a Process in bytes, now or at most."""
    status = pathlib.Path(f"/proc/{process.process.pid}/status").read_text()
    return int(re.search(rf"^{'VmHWM' if peak else 'VmRSS'}:\s+(\d+) kB", status, re.MULTILINE)[1]) << 10


def until(condition):
    """Waits for something that only polling can see."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


class Case(unittest.TestCase):
    """A test case whose processes and files are gone when it ends."""

    def setUp(self):
        self.folder = self.make_folder(self.addCleanup)

    @classmethod
    def setUpClass(cls):
        cls.shared_folder = cls.make_folder(cls.addClassCleanup)

    @staticmethod
    def make_folder(add_cleanup):
        folder = tempfile.TemporaryDirectory(prefix="watchword-e2e-")
        path = pathlib.Path(folder.name)

        def check_logs():
            for log in path.rglob("*.log*"):
                if "data" in log.relative_to(path).parts and "mariadb" in str(log):
                    continue  # the database's own, which holds hashes
                found = secrets_in(log.read_text(errors="replace"))
                assert not found, f"in {log}: {found}"
        add_cleanup(folder.cleanup)
        add_cleanup(check_logs)
        return path

    @classmethod
    def start_shared(cls, kind, *arguments, **options):
        process = kind(*arguments, **options)
        cls.addClassCleanup(process.close)
        return process

    def start(self, kind, *arguments, **options):
        process = kind(*arguments, **options)
        self.addCleanup(process.close)
        return process

    def assertRefused(self, reply, code, reason):
        """The status, and the same reason in the message and in the details that services send."""
        self.assertEqual((reply.code, reply.reason), (code, reason), reply)

    def assertServiceRefused(self, reply, code, reason, field=None):
        self.assertRefused(reply, code, reason)
        self.assertEqual(reply.detail("ErrorInfo")["reason"], reason)
        self.assertEqual(reply.detail("ErrorInfo")["domain"], "watchword")
        if field is not None:
            self.assertEqual([each["field"] for each in reply.detail("BadRequest")["field_violations"]], [field])

    def assertActive(self, validation):
        self.assertTrue(validation.get("active"), validation)

    def assertInactive(self, validation, reason):
        self.assertEqual((validation.get("active", False), validation.get("reason")), (False, reason))
