"""What a machine does to a process: it is stopped, runs out of disk, files or readers of its log, is the first process of a
container. It runs in a mount namespace of its own, for a small disk."""

import array
import fcntl
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import termios
import time
import unittest

if __name__ == "__main__" and "WATCHWORD_OWN_MOUNTS" not in os.environ:
    os.environ["WATCHWORD_OWN_MOUNTS"] = "yes"
    rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    os.execvp("unshare", ["unshare", *rights, "--mount", sys.executable, "-B", *sys.argv])

from cluster import probe
from harness import (AUTH, BIN, OK, ORDERS, Case, Orders, Process, Server, UNAUTHENTICATED, UNAVAILABLE,
                     clean_environment, free_port, secrets_in, until)
from rpc import Rpc

STALE_AFTER = 6  # seconds: longer than the strictest rule bears


class Stopped(Case):
    def test_who_was_stopped_lets_nobody_in_who_was_shut_out_meanwhile(self):
        server = self.start(Server, self.folder)
        orders = self.start(Orders, server.address, server.service_account())
        password = server.add_user("anna", scopes=["orders.write"])
        credential = server.login("anna", password, audiences=["orders"])["credential"]
        cancel = lambda: orders.grpc.call(ORDERS + "CancelOrder", bearer=credential, order="1")  # noqa: E731
        until(lambda: cancel().code == OK)
        orders.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        self.assertEqual(server.grpc.call(AUTH + "Logout", bearer=credential).code, OK)
        until(lambda: time.monotonic() - began > STALE_AFTER)
        orders.process.send_signal(signal.SIGCONT)
        replies = [cancel() for _ in range(5)]
        self.assertTrue({reply.code for reply in replies} <= {UNAUTHENTICATED, UNAVAILABLE}, replies)
        until(lambda: cancel().reason == "TOKEN_REVOKED")


class Exhausted(Case):
    def test_full_disk_refuses_logins_and_goes_on_reading_and_recovers_without_a_restart(self):
        disk = self.folder / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", disk], check=True)
        server = self.start(Server, disk)
        login = server.login()
        filler = disk / "filler"
        with open(filler, "wb", buffering=0) as full, self.assertRaises(OSError):
            while True:
                full.write(b"x" * 512)
        until(lambda: self.try_login(server).reason == "STORE_UNAVAILABLE")
        self.assertActive(server.validate(login["credential"]))
        filler.unlink()
        until(lambda: self.try_login(server).code == OK)
        self.assertEqual(server.end(), 0)
        again = self.start(Server, disk)
        self.assertActive(again.validate(login["credential"]))

    @staticmethod
    def try_login(server):
        return server.grpc.call(AUTH + "Login", username="admin", password=server.admin_password)

    def test_soft_limit_of_open_files_is_raised_to_the_hard_one(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))  # what the server inherits
        try:
            server = self.start(Server, self.folder)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.assertEqual(resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE), (hard, hard))

    def test_without_files_new_connections_wait_and_old_ones_are_served(self):
        server = self.start(Server, self.folder)
        login = server.login()
        old = Rpc(server.address)
        self.addCleanup(old.close)
        self.assertTrue(old.must(AUTH + "Validate", bearer=login["credential"])["active"])
        files = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        before = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (files + 8, before[1]))
        for _ in range(40):
            self.addCleanup(socket.create_connection(("127.0.0.1", server.port)).close)
        until(lambda: len(os.listdir(f"/proc/{server.process.pid}/fd")) > files + 4)
        new = Rpc(server.address)
        self.addCleanup(new.close)
        self.assertTrue(new.call(AUTH + "Validate", bearer=login["credential"], timeout=3).is_outage)
        self.assertTrue(old.must(AUTH + "Validate", bearer=login["credential"])["active"])
        server.wait_for_message("new connections have to wait")
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, before)
        until(lambda: new.call(AUTH + "Validate", bearer=login["credential"], timeout=3).code == OK)

    def test_log_that_nobody_reads_holds_up_no_call(self):
        port, password = free_port(), self.folder / "password"
        password.touch(mode=0o600)
        password.write_text("a password that is long enough")
        reads, writes = os.pipe()
        fcntl.fcntl(reads, fcntl.F_SETPIPE_SZ, 4096)
        process = subprocess.Popen([BIN / "watchwordd", "--data-dir", self.folder / "data", "--issuer", Server.ISSUER,
                                    "--listen", f"127.0.0.1:{port}", "--ops-listen", "off", "--bootstrap-admin", "admin",
                                    "--bootstrap-admin-password-file", password, *Server.CHEAP_HASHES],
                                   stdout=writes, env=clean_environment())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        rpc = Rpc(f"127.0.0.1:{port}")
        self.addCleanup(rpc.close)
        login = rpc.call_with_retries(AUTH + "Login", username="admin", password=password.read_text()).response

        def waiting():
            rpc.must(AUTH + "Login", username="admin", password=password.read_text())
            held = array.array("i", [0])
            fcntl.ioctl(reads, termios.FIONREAD, held)
            return held[0]
        until(lambda: 0 < waiting() == waiting() == waiting())  # each login writes a line: none finds room any more
        for _ in range(50):
            rpc.must(AUTH + "Login", username="admin", password=password.read_text())
        self.assertTrue(rpc.must(AUTH + "Validate", bearer=login["credential"])["active"])
        os.close(reads)
        os.close(writes)


class FirstProcess(Case):
    def test_as_the_first_process_of_a_container_it_ends_when_asked(self):
        container = self.start(Process, "unshare", "--pid", "--fork", "--kill-child", BIN / "watchwordd", "--data-dir",
                               self.folder / "data", "--issuer", Server.ISSUER, "--listen", "127.0.0.1:0", "--ops-listen",
                               "off")
        container.wait_for_message("ready")
        children = pathlib.Path(f"/proc/{container.process.pid}/task/{container.process.pid}/children").read_text()
        os.kill(int(children), signal.SIGTERM)
        self.assertEqual(container.wait(), 0, container.output())
        container.wait_for_message("stopped")


class Secrets(Case):
    def test_none_is_in_what_others_may_see_of_the_process(self):
        server = self.start(Server, self.folder)
        server.login()
        about = pathlib.Path(f"/proc/{server.process.pid}")
        for shown in ("cmdline", "environ"):
            self.assertEqual(secrets_in((about / shown).read_text()), [])
        limits = (about / "limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 +0 ")


if __name__ == "__main__":
    unittest.main()
