"""The MySQL store as an operator sets it up: accounts, TLS, migrations, passwords that change. Faults are elsewhere."""

import base64
import secrets
import subprocess
import sys
import unittest

from harness import AUTH, BIN, OK, ROOT, Case, Server, clean_environment, new_password, remember, until
from transport_test import Certificates

sys.path.insert(0, str(ROOT / "tests/testing"))
from mariadb import MariaDb, program  # noqa: E402


class SharedStore:
    """A database server with TLS, set up by deploy/mysql/accounts.sql."""

    def __init__(self, folder):
        self.folder = folder
        authority = Certificates(folder, "database")
        self.ca = authority.ca
        self.other_ca = Certificates(folder, "other").ca
        certificate, key = authority.issue("db", subject_alt_name="IP:127.0.0.1,DNS:localhost")
        self.server = MariaDb(folder / "mariadb", f"--ssl-cert={certificate}", f"--ssl-key={key}", f"--ssl-ca={self.ca}",
                              "--bind-address=127.0.0.1,127.0.0.2")
        self.passwords = {"watchword": new_password(), "watchword_migrate": new_password()}
        accounts = (ROOT / "deploy/mysql/accounts.sql").read_text()
        self.server.sql(accounts.replace("CHANGE-ME-1", self.passwords["watchword_migrate"])
                        .replace("CHANGE-ME-2", self.passwords["watchword"]))
        self.key_file = folder / "key-encryption-key"
        self.secret_file(self.key_file, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("="))
        for user, password in self.passwords.items():
            self.secret_file(folder / user, password)

    @staticmethod
    def secret_file(path, text):
        path.touch(mode=0o600)
        path.write_text(remember(text) + "\n")

    def flags(self, user="watchword", database="watchword"):
        return ("--store", f"mysql://{user}@127.0.0.1:{self.server.port}/{database}", "--store-tls-ca", self.ca,
                "--store-password-file", self.folder / user, "--key-file", self.key_file)

    def migrate(self, folder, *flags, user="watchword_migrate"):
        """The exit code and the message of `watchwordd migrate`."""
        command = [BIN / "watchwordd", "migrate", "--data-dir", folder / "data", "--issuer", Server.ISSUER,
                   *(flags or self.flags(user))]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60,
                              env=clean_environment())
        return done.returncode, done.stderr


class MysqlCase(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = SharedStore(cls.shared_folder)
        cls.addClassCleanup(cls.store.server.stop)

    def refusal(self, *flags):
        """The line with which a start ends."""
        command = [BIN / "watchwordd", "--data-dir", self.folder / "data", "--issuer", Server.ISSUER,
                   "--listen", "127.0.0.1:0", "--ops-listen", "off", *flags]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60,
                              env=clean_environment())
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr


class Setup(MysqlCase):
    def test_store_set_up_by_the_book_serves(self):
        self.assertIn("run `watchwordd migrate`", self.refusal(*self.store.flags()))
        code, message = self.store.migrate(self.folder, user="watchword")
        self.assertEqual(code, 1, "the servers' account changed the schema")
        self.assertIn("denied", message)
        self.assertEqual(self.store.migrate(self.folder), (0, ""))
        self.assertEqual(self.store.migrate(self.folder), (0, ""), "a second time")

        first = self.start(Server, self.folder / "a", *self.store.flags())
        password = first.add_user("alice")
        second = self.start(Server, self.folder / "b", *self.store.flags())
        session = second.login("alice", password)
        self.assertActive(first.validate(session["credential"]))
        self.assertEqual(first.grpc.call(AUTH + "Logout", bearer=session["credential"]).code, OK)
        until(lambda: not second.validate(session["credential"]).get("active"))
        self.assertInactive(second.validate(session["credential"]), "TOKEN_REVOKED")


class Accounts(MysqlCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        assert cls.store.migrate(cls.shared_folder) == (0, "")

    def run_as(self, user, statement):
        return subprocess.run([program("mariadb"), "--no-defaults", "--protocol=tcp", "--host=127.0.0.1",
                               f"--port={self.store.server.port}", f"--user={user}", f"--ssl-ca={self.store.ca}",
                               "watchword"], input=statement, capture_output=True, text=True, timeout=60,
                              env=clean_environment(MYSQL_PWD=self.store.passwords[user]))

    def test_running_account_can_only_read_and_write_rows(self):
        self.assertEqual(self.run_as("watchword", "SELECT COUNT(*) FROM sessions").returncode, 0)
        for statement in ("DROP TABLE sessions", "ALTER TABLE sessions ADD x INT", "CREATE TABLE x (y INT)",
                          "TRUNCATE TABLE revocations", "SELECT * FROM mysql.user", "SHOW GRANTS FOR root@localhost",
                          "SELECT 1 INTO OUTFILE '/tmp/watchword-test'", "SELECT LOAD_FILE('/etc/passwd') + 'x' INTO @a; "
                          "SELECT * FROM mysql.global_priv", "SET GLOBAL read_only = 1", "CREATE USER x"):
            done = self.run_as("watchword", statement)
            self.assertNotEqual(done.returncode, 0, statement)
            self.assertRegex(done.stderr, "denied|Access denied", statement)

    def test_accounts_do_not_connect_without_tls(self):
        done = subprocess.run([program("mariadb"), "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--skip-ssl",
                               f"--port={self.store.server.port}", "--user=watchword"], input="SELECT 1",
                              capture_output=True, text=True, timeout=60,
                              env=clean_environment(MYSQL_PWD=self.store.passwords["watchword"]))
        self.assertNotEqual(done.returncode, 0)

    def test_database_that_cannot_prove_who_it_is_is_refused(self):
        flags = list(self.store.flags())
        flags[flags.index("--store-tls-ca") + 1] = self.store.other_ca
        self.assertIn("cannot use the database", self.refusal(*flags))

    def test_database_of_another_name_is_refused(self):
        # It listens there as well, but the certificate is for 127.0.0.1 and localhost.
        flags = [str(flag).replace("127.0.0.1", "127.0.0.2") for flag in self.store.flags()]
        self.assertIn("cannot use the database", self.refusal(*flags))

    def test_wrong_password_stops_the_start_and_is_not_shown(self):
        wrong = new_password()
        SharedStore.secret_file(self.folder / "wrong", wrong)
        flags = list(self.store.flags())
        flags[flags.index("--store-password-file") + 1] = self.folder / "wrong"
        line = self.refusal(*flags)
        self.assertIn("Access denied", line)
        self.assertNotIn(wrong, line)

    def test_password_may_change_while_servers_run(self):
        server = self.start(Server, self.folder, *self.store.flags())
        new = new_password()
        self.store.server.sql(f"ALTER USER 'watchword'@'%' IDENTIFIED BY '{new}'")
        SharedStore.secret_file(self.store.folder / "watchword", new)
        self.store.passwords["watchword"] = new
        for (connection,) in self.store.server.rows("SELECT id FROM information_schema.processlist WHERE user = 'watchword'"):
            self.store.server.sql(f"KILL {connection}", check=False)
        self.assertActive(server.validate(server.login()["credential"]))


class Migrations(MysqlCase):
    def setUp(self):
        super().setUp()
        self.store.server.sql("DROP DATABASE watchword; CREATE DATABASE watchword")

    def tables(self):
        return self.store.server.rows("SHOW TABLES", "watchword")

    def test_several_at_once_make_one_schema(self):
        command = [BIN / "watchwordd", "migrate", "--data-dir", self.folder / "data", "--issuer", Server.ISSUER,
                   *self.store.flags("watchword_migrate")]
        running = [subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, env=clean_environment())
                   for _ in range(6)]
        for each in running:
            _, error = each.communicate(timeout=60)
            self.assertEqual((each.returncode, error), (0, b""))
        (count, newest), = self.store.server.rows("SELECT COUNT(*), MAX(version) FROM schema_migrations", "watchword")
        self.assertEqual(count, newest)
        self.assertEqual(self.store.server.rows("SELECT COUNT(*) FROM revocation_sequencer", "watchword"), [["1"]])

    def test_one_that_was_cut_short_is_finished_by_the_next(self):
        self.assertEqual(self.store.migrate(self.folder), (0, ""))
        complete = self.tables()
        for missing in ("leases", "secrets"):  # as if it had been killed before these, and before it noted itself
            self.store.server.sql(f"DROP TABLE {missing}; DELETE FROM schema_migrations", "watchword")
            epoch = self.store.server.rows("SELECT HEX(epoch) FROM revocation_sequencer", "watchword")
            self.assertIn("run `watchwordd migrate`", self.refusal(*self.store.flags()))
            self.assertEqual(self.store.migrate(self.folder), (0, ""))
            self.assertEqual(self.tables(), complete)
            self.assertEqual(self.store.server.rows("SELECT HEX(epoch) FROM revocation_sequencer", "watchword"), epoch)

    def test_start_can_migrate(self):
        flags = self.store.flags("watchword_migrate")
        server = self.start(Server, self.folder, *flags, "--migrate-at-start")
        self.assertActive(server.validate(server.login()["credential"]))

    def test_previous_release_works_on_a_schema_that_says_so(self):
        self.assertEqual(self.store.migrate(self.folder), (0, ""))
        self.store.server.sql("INSERT INTO schema_migrations VALUES (99, 1, 1, 0); ALTER TABLE sessions ADD later INT",
                              "watchword")
        server = self.start(Server, self.folder, *self.store.flags())
        self.assertActive(server.validate(server.login()["credential"]))
        self.store.server.sql("UPDATE schema_migrations SET compatible_with = 99 WHERE version = 99", "watchword")
        self.assertIn("run the newer release", self.refusal(*self.store.flags()))

    def test_schema_that_is_not_ours_is_refused(self):
        self.assertEqual(self.store.migrate(self.folder), (0, ""))
        self.store.server.sql("UPDATE schema_migrations SET checksum = checksum + 1", "watchword")
        self.assertIn("not made by the migrations of a release", self.refusal(*self.store.flags()))


if __name__ == "__main__":
    unittest.main()
