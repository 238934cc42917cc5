"""A server that cannot run says why in one line, ends with 1, and leaves everything as it was."""

import os
import pathlib
import subprocess
import unittest

from harness import BIN, PATIENCE, Case, Server, clean_environment


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class Refused(Case):
    def setUp(self):
        super().setUp()
        self.data = self.folder / "data"

    def run_server(self, *arguments, **variables):
        return subprocess.run([BIN / "watchwordd", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE, env=clean_environment(**variables))

    def arguments(self, **changed):
        flags = {"data_dir": self.data, "issuer": Server.ISSUER, "listen": "127.0.0.1:0", "ops_listen": "127.0.0.1:0",
                 "bootstrap_admin": "admin", **changed}
        pairs = ((f"--{name.replace('_', '-')}", value) for name, value in flags.items() if value is not None)
        return [part for pair in pairs for part in pair]

    def assertStopsTheStart(self, ended, *wanted):
        self.assertEqual(ended.returncode, 1, ended)
        self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)
        self.assertTrue(ended.stderr.startswith("watchwordd: "), ended.stderr)
        for text in wanted:
            self.assertIn(str(text), ended.stderr)

    def make_store(self):
        """A store that has been used, and has been closed."""
        server = self.start(Server, self.folder)
        server.login()
        self.assertEqual(server.end(), 0)
        return contents(self.data)


class WrongSettings(Refused):
    def test_each_says_which_setting_and_what_would_be_right(self):
        for wanted, arguments in {
                "--no-such": [*self.arguments(), "--no-such", "x"],
                "--issuer is missing": self.arguments(issuer=None),
                "--data-dir is missing": self.arguments(data_dir=None),
                '--issuer "x"': self.arguments(issuer="x"),
                '--listen "0.0.0.0:0"': self.arguments(listen="0.0.0.0:0"),
                '--listen "[::]:0"': self.arguments(listen="[::]:0"),
                '--access-token-ttl "2h"': self.arguments(access_token_ttl="2h"),
                '--signing-algorithm "HS256"': self.arguments(signing_algorithm="HS256"),
                '--tls-cert "/no/such"': self.arguments(tls_cert="/no/such", tls_key="/no/such"),
                '--store "mysql:x"': self.arguments(store="mysql:x"),
        }.items():
            with self.subTest(wanted):
                self.assertStopsTheStart(self.run_server(*arguments), wanted)
                self.assertFalse(self.data.exists(), "something was written")

    def test_remote_plaintext_names_both_ways_out(self):
        self.assertStopsTheStart(self.run_server(*self.arguments(listen="0.0.0.0:0")), "--tls-cert", "--allow-plaintext")

    def test_unknown_variable_and_unknown_key_of_the_file_stop_the_start(self):
        self.assertStopsTheStart(self.run_server(*self.arguments(), WATCHWORD_LISTN="x"), "WATCHWORD_LISTN")
        file = self.folder / "watchword.toml"
        file.write_text('listn = "x"\n')
        self.assertStopsTheStart(self.run_server("--config", file, *self.arguments()), "listn", file)

    def test_print_config_shows_what_would_be_used_and_starts_nothing(self):
        ended = self.run_server(*self.arguments(), "--print-config", WATCHWORD_ACCESS_TOKEN_TTL="7m")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        self.assertIn("7m", ended.stdout)
        self.assertFalse(self.data.exists())

    def test_address_in_use_is_named(self):
        running = self.start(Server, self.folder)
        other = self.make_folder(self.addCleanup)
        self.assertStopsTheStart(self.run_server(*self.arguments(data_dir=other / "data", listen=running.address)),
                                 running.address)


class WrongFiles(Refused):
    def test_second_server_on_the_same_store_is_refused(self):
        running = self.start(Server, self.folder)
        self.assertStopsTheStart(self.run_server(*self.arguments()), "another watchwordd", self.data / "watchword.db")
        link = self.folder / "link"
        link.symlink_to(self.data)
        self.assertStopsTheStart(self.run_server(*self.arguments(data_dir=link)), "another watchwordd")
        self.assertActive(running.validate(running.login()["credential"]))

    def test_wrong_key_file_is_refused_and_kept(self):
        before = self.make_store()
        other = self.start(Server, self.make_folder(self.addCleanup))
        key = self.data / "key-encryption-key"
        key.write_bytes((other.data / "key-encryption-key").read_bytes())
        tampered = contents(self.data)
        self.assertStopsTheStart(self.run_server(*self.arguments()), key)
        self.assertEqual(contents(self.data), tampered)
        key.write_bytes(before["key-encryption-key"])
        self.assertEqual(self.start(Server, self.folder).end(), 0)

    def test_missing_key_file_is_refused_and_not_replaced(self):
        self.make_store()
        (self.data / "key-encryption-key").unlink()
        before = contents(self.data)
        self.assertStopsTheStart(self.run_server(*self.arguments()), self.data / "key-encryption-key")
        self.assertEqual(contents(self.data), before)

    def test_key_file_that_others_may_read_is_refused(self):
        self.make_store()
        (self.data / "key-encryption-key").chmod(0o644)
        self.assertStopsTheStart(self.run_server(*self.arguments()), self.data / "key-encryption-key")

    def test_damaged_database_is_refused_and_kept(self):
        whole = self.make_store()["watchword.db"]
        database = self.data / "watchword.db"
        for what, damaged in {"no database": b"this is not a database" * 1000, "cut off": whole[:len(whole) // 2],
                              "a page of noise": whole[:8192] + os.urandom(4096) + whole[12288:]}.items():
            with self.subTest(what):
                database.write_bytes(damaged)
                before = contents(self.data)
                self.assertStopsTheStart(self.run_server(*self.arguments()), database)
                self.assertTrue(before.items() <= contents(self.data).items(), "a file was changed")
        database.write_bytes(whole)
        self.assertEqual(self.start(Server, self.folder).end(), 0)

    def test_folder_that_cannot_be_used_is_named(self):
        (self.folder / "file").write_text("kept")
        for place, named in {self.folder / "file": self.folder / "file", self.folder / "file/below": self.folder / "file",
                             pathlib.Path("/proc/watchword"): "/proc/watchword"}.items():
            with self.subTest(str(place)):
                self.assertStopsTheStart(self.run_server(*self.arguments(data_dir=place)), named)
        self.assertEqual((self.folder / "file").read_text(), "kept")

    def test_bad_first_password_makes_no_administrator(self):
        file = self.folder / "password"
        file.write_text("short\n")
        file.chmod(0o600)
        self.assertStopsTheStart(self.run_server(*self.arguments(bootstrap_admin_password_file=file)), file)
        self.assertEqual(self.start(Server, self.folder).end(), 0)


class FirstStart(Refused):
    def test_makes_everything_for_its_owner_only(self):
        server = self.start(Server, self.folder)
        self.assertEqual(self.data.stat().st_mode & 0o777, 0o700)
        for file in self.data.iterdir():
            self.assertEqual(file.stat().st_mode & 0o777, 0o600, file)
        self.assertGreaterEqual(len(server.admin_password), 24)

    def test_password_of_the_administrator_stays_as_it_was_first(self):
        server = self.start(Server, self.folder)
        password = server.admin_password
        server.end()
        server = self.start(Server, self.folder)
        self.assertEqual(server.admin_password, password)
        server.login()

    def test_each_signing_algorithm_signs(self):
        for algorithm in ("ES256", "EdDSA", "RS256"):
            with self.subTest(algorithm):
                server = self.start(Server, self.make_folder(self.addCleanup), "--signing-algorithm", algorithm)
                self.assertActive(server.validate(server.login()["credential"]))
                server.end()


if __name__ == "__main__":
    unittest.main()
