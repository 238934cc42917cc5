"""How a server starts on a MySQL store: it waits for a database that is away, and refuses one that would lose
things."""

import unittest

from cluster import DATABASE, DATABASE_PASSWORD, USER, MysqlServer, StoreCase, probe, store_flags
from harness import AUTH, BIN, Process, Server, until


class StartUp(StoreCase):
    OPTIONS = ("--log-bin=binlog", "--server-id=1", "--character-set-server=latin1",
               "--collation-server=latin1_swedish_ci")

    def start_process(self):
        return self.start(Process, BIN / "watchwordd", "--data-dir", self.folder / "data", "--issuer", Server.ISSUER,
                          "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", *Server.CHEAP_HASHES,
                          *store_flags(self.shared_folder, [self.database.port]))

    def assertRefused(self, *named):
        """It does not start, and says what is wrong and what to do about it."""
        process = self.start_process()
        self.assertNotEqual(process.wait(), 0)
        for each in named:
            self.assertIn(each, process.output())

    def with_setting(self, name, wrong):
        right = self.database.value(f"SELECT @@global.{name}")
        self.database.sql(f"SET GLOBAL {name} = {wrong}")
        self.addCleanup(self.database.sql, f"SET GLOBAL {name} = '{right}'" if isinstance(right, str)
                        else f"SET GLOBAL {name} = {right}")

    def on_schema(self, change, undo):
        self.database.sql(change, DATABASE)
        self.addCleanup(self.database.sql, undo, DATABASE)

    def test_mode_that_is_not_strict_is_refused(self):
        self.with_setting("sql_mode", "'NO_ENGINE_SUBSTITUTION'")
        self.assertRefused("sql_mode is 'NO_ENGINE_SUBSTITUTION'", "STRICT_TRANS_TABLES")

    def test_commits_that_are_not_flushed_are_refused(self):
        self.with_setting("innodb_flush_log_at_trx_commit", "2")
        self.assertRefused("innodb_flush_log_at_trx_commit is 2", "set it to 1")

    def test_binary_log_that_is_not_flushed_is_refused(self):
        self.with_setting("sync_binlog", "0")
        self.assertRefused("sync_binlog is 0", "set it to 1")

    def test_small_packets_are_refused(self):
        self.with_setting("max_allowed_packet", "1048576")
        self.assertRefused("max_allowed_packet is 1048576", "set it to 4194304")

    def test_table_without_transactions_is_refused(self):
        self.on_schema("ALTER TABLE leases ENGINE = MyISAM", "ALTER TABLE leases ENGINE = InnoDB")
        self.assertRefused("table leases is in MyISAM", "ENGINE = InnoDB")

    def test_missing_schema_is_refused(self):
        self.on_schema("RENAME TABLE schema_migrations TO elsewhere", "RENAME TABLE elsewhere TO schema_migrations")
        self.assertRefused("it has no schema yet", "watchwordd migrate")

    def test_newer_schema_is_refused(self):
        self.on_schema("INSERT INTO schema_migrations SELECT 999, 0, 999, 0",
                       "DELETE FROM schema_migrations WHERE version = 999")
        self.assertRefused("its schema is 999", "run the newer release")

    def test_newer_schema_that_this_release_can_work_with_is_accepted(self):
        self.on_schema("INSERT INTO schema_migrations SELECT 999, 0, 1, 0",
                       "DELETE FROM schema_migrations WHERE version = 999")
        self.start_process().wait_for_message("ready")

    def test_edited_schema_is_refused(self):
        self.on_schema("UPDATE schema_migrations SET checksum = checksum + 1 WHERE version = 1",
                       "UPDATE schema_migrations SET checksum = checksum - 1 WHERE version = 1")
        self.assertRefused("not made by the migrations of a release", "restore a backup")

    def test_wrong_password_is_refused(self):
        self.on_schema(f"ALTER USER {USER}@'%' IDENTIFIED BY 'another'",
                       f"ALTER USER {USER}@'%' IDENTIFIED BY '{DATABASE_PASSWORD}'")
        self.assertRefused("Access denied", f"127.0.0.1:{self.database.port}")

    def test_database_that_is_down_is_waited_for(self):
        self.database.kill()
        process = self.start_process()
        ops_port = int(process.wait_for_message("operations port listening")["port"])
        process.wait_for_message("waiting for the store")
        self.assertEqual((probe(ops_port, "livez"), probe(ops_port, "readyz")), (200, 503))
        self.database.start()
        process.wait_for_message("ready")
        until(lambda: probe(ops_port, "readyz") == 200)

    def test_names_beyond_the_basic_plane_are_kept_byte_for_byte_whatever_the_server_takes_for_text(self):
        self.assertEqual(self.database.value("SELECT @@global.character_set_server"), "latin1")
        server = self.start(MysqlServer, self.shared_folder, [self.database.port])
        for name in ("\U00020bb7\u91ce\u5bb6", "\u00e9ric", "stra\u00dfe"):
            _, password = self.add_user(server, name)
            self.assertEqual(self.database.query("SELECT 1 FROM principals WHERE name = %s", name.encode()), [(1,)])
            login = server.rpc.must(AUTH + "Login", username=name, password=password)
            answer = server.rpc.must(AUTH + "Validate", bearer=login["credential"])
            self.assertEqual(answer["principal"]["username"], name)


if __name__ == "__main__":
    unittest.main()
