"""The images of deploy/build-image.sh: the programs run from their root filesystem as a cluster would run them, as
65532 on a root that is read-only, and answer. Needs root, for the mounts; .ci/run builds the images and runs this."""

import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import OK, ROOT, Case, Grpcurl, Process, clean_environment, free_port, remember

IMAGES = pathlib.Path(os.environ.get("IMAGE_DIR", ROOT / "build/image"))
USER = 65532
LIBRARIES = IMAGES / "server/usr/lib" / f"{os.uname().machine}-linux-gnu"
DATA = "/var/lib/watchword"

# In a mount namespace of its own: the root read-only, /tmp in memory, the folder $2 at $3, the program as the image's
# user. With `exec` all the way, so that signals reach the program.
INSIDE = """
set -e
root=$1
mount --bind "$root" "$root"
mount -o remount,bind,ro,nosuid,nodev "$root"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root$3"
mount --bind "$2" "$root$3"
shift 3
exec setpriv --no-new-privs chroot --userspec=65532:65532 --groups= "$root" "$@"
"""


def inside(image, folder, at, program, *arguments):
    return ["unshare", "--mount", "sh", "-c", INSIDE, "inside", str(IMAGES / image), str(folder), at, program,
            *arguments]


class ImageConfig(unittest.TestCase):
    """What the archive tells a container engine."""

    def config_of(self, image):
        with tarfile.open(IMAGES / f"{image}.tar") as archive:
            def blob(digest):
                return json.load(archive.extractfile("blobs/" + digest.replace(":", "/")))
            index = json.load(archive.extractfile("index.json"))
            manifest = blob(index["manifests"][0]["digest"])
            return blob(manifest["config"]["digest"])["config"]

    def test_runs_as_an_unprivileged_user_without_a_shell(self):
        for image, program in {"server": "/usr/bin/watchwordd", "example": "/usr/bin/orders"}.items():
            config = self.config_of(image)
            self.assertEqual(config["User"], f"{USER}:{USER}")
            self.assertEqual(config["Entrypoint"], [program])
            self.assertNotIn("Cmd", config)
            self.assertRegex(config["Labels"]["org.opencontainers.image.revision"], "^[0-9a-f]{40}$")

    def test_holds_no_other_programs(self):
        for image, programs in {"server": {"watchwordd", "watchword"}, "example": {"orders"}}.items():
            root = IMAGES / image
            found = {path.name for folder in ("usr/bin", "usr/sbin") for path in (root / folder).iterdir()}
            self.assertEqual(found, programs)
            setuid = [path for path in root.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o6000]
            self.assertEqual(setuid, [])

    def test_tells_scanners_which_packages_it_holds(self):
        for image in ("server", "example"):
            entries = list((IMAGES / image / "var/lib/dpkg/status.d").iterdir())
            self.assertIn("libssl3", [entry.name for entry in entries])
            for entry in entries:
                self.assertRegex(entry.read_text(), re.compile("^Version: .", re.MULTILINE))

    def test_holds_the_plugins_of_the_database_library(self):
        # Authentication with caching_sha2_password is a plugin, which no linker knows of.
        libraries = {path.name for path in LIBRARIES.iterdir()}
        if "libmariadb.so.3" in libraries:
            plugins = {path.name for path in (LIBRARIES / "libmariadb3/plugin").iterdir()}
            self.assertIn("caching_sha2_password.so", plugins)


class Smoke(Case):
    def setUp(self):
        super().setUp()
        self.data = self.folder / "data"
        self.data.mkdir(mode=0o700)
        os.chown(self.data, USER, USER)
        self.mount_secret("key-encryption-key", base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"="))
        self.server = self.start(Process, *inside(
            "server", self.data, DATA, "/usr/bin/watchwordd", "--data-dir", DATA, "--issuer", "https://watchword.test",
            "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--bootstrap-admin", "admin", "--hash-memory",
            "8MiB", "--hash-passes", "1", "--key-file", f"{DATA}/secret/key-encryption-key"))
        self.server.wait_for_message("ready")
        self.address = f"127.0.0.1:{self.server.wait_for_message('listening')['port']}"
        self.grpc = Grpcurl(self.address)

    def mount_secret(self, name, contents):
        """A file as Kubernetes mounts it from a Secret: behind two links, of root's, readable by the pod's group."""
        folder = self.data / "secret"
        (folder / "..2026").mkdir(parents=True)
        (folder / "..2026" / name).write_bytes(contents)
        os.chown(folder / "..2026" / name, 0, USER)
        os.chmod(folder / "..2026" / name, 0o440)
        (folder / "..data").symlink_to("..2026")
        (folder / name).symlink_to(f"..data/{name}")

    def command(self, *arguments, stdin=""):
        """The watchword command of the image, with its state in the data folder."""
        process = subprocess.run(inside("server", self.data, DATA, "/usr/bin/watchword", *arguments, "--address",
                                        self.address),
                                 input=stdin, capture_output=True, text=True, timeout=60,
                                 env=clean_environment(XDG_STATE_HOME=f"{DATA}/state"))
        self.assertEqual(process.returncode, 0, process.stderr)
        return process.stdout

    def test_answers_as_65532_on_a_read_only_root(self):
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        self.assertRegex(status, rf"Uid:\s{USER}\s{USER}\s{USER}\s{USER}\n")
        self.assertRegex(status, r"CapEff:\s0+\n")
        self.assertRegex(status, r"NoNewPrivs:\s1\n")
        self.assertFalse(os.access(f"/proc/{self.server.process.pid}/root/bin/sh", os.F_OK))
        mounts = pathlib.Path(f"/proc/{self.server.process.pid}/mountinfo").read_text().splitlines()
        roots = [line.split()[5] for line in mounts if line.split()[4] == "/"]
        self.assertIn("ro", roots[-1].split(","))
        reply = self.grpc.call("grpc.health.v1.Health/Check", service="watchword.v1.AuthService")
        self.assertEqual(reply.response, {"status": "SERVING"})
        password = remember((self.data / "bootstrap-admin-password").read_text().strip())
        self.assertEqual(self.grpc.call("watchword.v1.AuthService/Login", username="admin", password=password).code, OK)
        self.assertEqual(self.server.end(), 0)

    def test_example_service_answers_from_its_image(self):
        password = remember((self.data / "bootstrap-admin-password").read_text().strip())
        self.command("login", "admin", "--scope", "watchword.admin", "--password-stdin", stdin=password)
        self.command("service-account", "add", "orders", "--scope", "watchword.verifier", "--out",
                     f"{DATA}/orders-account")
        address = f"127.0.0.1:{free_port()}"
        orders = self.start(Process, *inside(
            "example", self.data, "/tmp/account", "/usr/bin/orders", "--listen", address, "--auth-service",
            self.address, "--issuer", "https://watchword.test", "--service-account", "/tmp/account/orders-account"))
        orders.wait_for_line(lambda line: line.startswith("orders listens"))
        reply = Grpcurl(address).call("orders.v1.OrdersService/GetStatus")
        self.assertEqual(reply.response, {"status": "ok"})
        self.assertEqual(orders.end(), 0)
        self.assertEqual(self.server.end(), 0)


if __name__ == "__main__":
    unittest.main()
