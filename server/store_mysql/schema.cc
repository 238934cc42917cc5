#include "server/store_mysql/schema.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "server/store/sql_records.h"

namespace watchword::mysql {
namespace {

constexpr char kMigrateHint[] = "run `watchwordd migrate` with an account that may change the schema";
constexpr int kLockSeconds = 600;

// As in SQLite: ids are 16 bytes and sort by age, times are microseconds since 1970, lists are separated by one space.
// Every column of text is binary: no character set or collation decides who somebody is. No foreign keys: what has to
// hold between rows is in the conditions of the statements, and a key would lock the principal a second time.
constexpr char kFirstSchema[] = R"sql(
CREATE TABLE IF NOT EXISTS principals (
  id BINARY(16) NOT NULL PRIMARY KEY,
  kind TINYINT NOT NULL,
  name VARBINARY(255) NOT NULL,
  password_hash VARBINARY(255) NOT NULL,
  scopes VARBINARY(8192) NOT NULL,
  disabled TINYINT NOT NULL,
  credential_version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  sessions_revoked_until BIGINT NOT NULL,
  UNIQUE KEY principals_by_name (name),
  CONSTRAINT principals_have_a_name CHECK (LENGTH(name) >= 1)
) ENGINE = InnoDB DEFAULT CHARACTER SET binary;

CREATE TABLE IF NOT EXISTS sessions (
  id BINARY(16) NOT NULL PRIMARY KEY,
  principal BINARY(16) NOT NULL,
  kind TINYINT NOT NULL,
  token_digest BINARY(32) NULL,
  binding BINARY(32) NOT NULL,
  generation BIGINT NOT NULL,
  rotated_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  last_used_at BIGINT NOT NULL,
  idle_expires_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ends_at BIGINT GENERATED ALWAYS AS (LEAST(idle_expires_at, expires_at)) STORED,
  audiences VARBINARY(2048) NOT NULL,
  scopes VARBINARY(8192) NOT NULL,
  include_username TINYINT NOT NULL,
  revoked_at BIGINT NULL,
  KEY sessions_by_principal (principal, id),
  KEY sessions_by_kind (principal, kind, expires_at),
  UNIQUE KEY sessions_by_token_digest (token_digest),
  KEY sessions_by_end (ends_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET binary;

CREATE TABLE IF NOT EXISTS revocations (
  seq BIGINT NOT NULL PRIMARY KEY,
  kind TINYINT NOT NULL,
  target BINARY(16) NOT NULL,
  key_id VARBINARY(64) NOT NULL,
  began_until BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  KEY revocations_by_expiry (expires_at, seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET binary;

CREATE TABLE IF NOT EXISTS revocation_sequencer (
  id TINYINT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL,
  compacted_seq BIGINT NOT NULL,
  epoch BINARY(16) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET binary;

INSERT IGNORE INTO revocation_sequencer (id, seq, compacted_seq, epoch) VALUES (1, 0, 0, UNHEX('$EPOCH'));

CREATE TABLE IF NOT EXISTS signing_keys (
  key_id VARBINARY(64) NOT NULL PRIMARY KEY,
  algorithm VARBINARY(16) NOT NULL,
  state TINYINT NOT NULL,
  sealed_private_key VARBINARY(8192) NOT NULL,
  created_at BIGINT NOT NULL,
  KEY signing_keys_by_age (created_at, key_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET binary;

CREATE TABLE IF NOT EXISTS secrets (
  name VARBINARY(64) NOT NULL PRIMARY KEY,
  sealed VARBINARY(1024) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET binary;

CREATE TABLE IF NOT EXISTS replicas (
  id BINARY(16) NOT NULL PRIMARY KEY,
  report MEDIUMBLOB NOT NULL,
  reported_at BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET binary;

CREATE TABLE IF NOT EXISTS leases (
  name VARBINARY(64) NOT NULL PRIMARY KEY,
  holder BINARY(16) NOT NULL,
  until BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET binary
)sql";

constexpr char kLoginAttempts[] = R"sql(
CREATE TABLE IF NOT EXISTS login_attempts (
  digest BINARY(32) NOT NULL PRIMARY KEY,
  failures BIGINT NOT NULL,
  refused BIGINT NOT NULL,
  failed_at BIGINT NOT NULL,
  blocked_until BIGINT NOT NULL,
  known_until BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  KEY login_attempts_by_expiry (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET binary
)sql";

// When a key came into its state. MySQL has no ADD COLUMN IF NOT EXISTS.
constexpr char kKeyStates[] = R"sql(
SET @watchword_migration = IF(
  EXISTS (SELECT 1 FROM information_schema.COLUMNS
          WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'signing_keys' AND COLUMN_NAME = 'changed_at'),
  'DO 0', 'ALTER TABLE signing_keys ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0');
PREPARE watchword_migration FROM @watchword_migration;
EXECUTE watchword_migration;
DEALLOCATE PREPARE watchword_migration;
UPDATE signing_keys SET changed_at = created_at WHERE changed_at = 0
)sql";

// Migration i brings schema i to schema i + 1. Statements are separated by a semicolon at the end of a line. MySQL
// commits after each CREATE or ALTER, so a migration can be cut short: each statement must bear being run again. Once
// released, a migration is never changed: add another.
struct Migration {
  const char* text;
  // The oldest schema whose release still works on what this makes: a roll-out can be taken back that far.
  int64_t compatible_with;
};
constexpr std::array kMigrations = {Migration{kFirstSchema, 1}, Migration{kLoginAttempts, 1}, Migration{kKeyStates, 1}};
constexpr int64_t kSchemaVersion = kMigrations.size();

constexpr char kCreateMigrations[] =
    "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT NOT NULL PRIMARY KEY, checksum BIGINT NOT NULL, "
    "compatible_with BIGINT NOT NULL, applied_at BIGINT NOT NULL) ENGINE = InnoDB DEFAULT CHARACTER SET binary";

absl::Status Wrong(absl::string_view why, absl::string_view what_to_do) {
  return absl::FailedPreconditionError(absl::StrCat("cannot use the database: ", why, ": ", what_to_do));
}

int64_t Number(Connection& connection, const std::string& query) {
  int64_t number = 0;
  const auto value = connection.Value(query);
  return value.has_value() && absl::SimpleAtoi(*value, &number) ? number : 0;
}

bool HasTable(Connection& connection, absl::string_view name) {
  return Number(connection, absl::StrCat("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = "
                                         "DATABASE() AND TABLE_NAME = '",
                                         name, "'")) > 0;
}

int64_t SchemaVersion(Connection& connection) {
  if (!HasTable(connection, "schema_migrations")) return 0;
  return Number(connection, "SELECT MAX(version) FROM schema_migrations");
}

// Those that this release knows must have been applied as it knows them.
absl::Status CheckApplied(Connection& connection, int64_t version) {
  for (int64_t i = 1; i <= version && i <= kSchemaVersion; ++i) {
    const auto checksum = connection.Value(absl::StrCat("SELECT checksum FROM schema_migrations WHERE version = ", i));
    if (checksum == absl::StrCat(MigrationChecksum(kMigrations[static_cast<size_t>(i - 1)].text))) continue;
    return Wrong(absl::StrCat("its schema was not made by the migrations of a release (see migration ", i, ")"),
                 "restore a backup");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> NewEpoch(RandomSource& random) {
  std::array<uint8_t, 16> epoch;
  if (auto status = random.Fill(absl::MakeSpan(epoch)); !status.ok()) return status;
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(epoch.data()), epoch.size()));
}

absl::Status Apply(Connection& connection, int64_t version, const Clock& clock, RandomSource& random) {
  const Migration& migration = kMigrations[static_cast<size_t>(version - 1)];
  const absl::StatusOr<std::string> epoch = NewEpoch(random);
  if (!epoch.ok()) return epoch.status();
  for (absl::string_view statement : absl::StrSplit(migration.text, ";\n")) {
    connection.Execute(absl::StrReplaceAll(statement, {{"$EPOCH", *epoch}}));
  }
  connection.Execute(absl::StrCat(
      "INSERT INTO schema_migrations (version, checksum, compatible_with, applied_at) VALUES (", version, ", ",
      MigrationChecksum(migration.text), ", ", migration.compatible_with, ", ", absl::ToUnixMicros(clock.Now()), ")"));
  return absl::OkStatus();
}

}  // namespace

absl::Status Migrate(Connection& connection, const Clock& clock, RandomSource& random) {
  const std::string lock = "CONCAT('watchword.migrate.', DATABASE())";
  if (connection.Value(absl::StrCat("SELECT GET_LOCK(", lock, ", ", kLockSeconds, ")")) != "1") {
    return absl::UnavailableError("somebody else is migrating the database and does not come to an end");
  }
  connection.Execute(kCreateMigrations);  // the lock goes with the connection, whatever happens
  int64_t version = SchemaVersion(connection);
  if (auto status = CheckApplied(connection, version); !status.ok()) return status;
  while (version < kSchemaVersion) {
    if (auto status = Apply(connection, ++version, clock, random); !status.ok()) return status;
  }
  return CheckSchema(connection);
}

absl::Status CheckSchema(Connection& connection) {
  const int64_t version = SchemaVersion(connection);
  if (version == 0) return Wrong("it has no schema yet", kMigrateHint);
  if (version < kSchemaVersion) {
    return Wrong(absl::StrCat("its schema is ", version, ", this release needs ", kSchemaVersion), kMigrateHint);
  }
  if (auto status = CheckApplied(connection, version); !status.ok()) return status;
  const int64_t compatible_with = Number(
      connection, absl::StrCat("SELECT MAX(compatible_with) FROM schema_migrations WHERE version > ", kSchemaVersion));
  if (compatible_with > kSchemaVersion) {
    return Wrong(absl::StrCat("its schema is ", version, ", of a newer release, and works with releases for schema ",
                              compatible_with, " or later; this one knows ", kSchemaVersion),
                 "run the newer release");
  }
  const auto engine = connection.Value(
      "SELECT CONCAT('table ', TABLE_NAME, ' is in ', COALESCE(ENGINE, 'no engine')) FROM information_schema.TABLES "
      "WHERE TABLE_SCHEMA = DATABASE() AND COALESCE(ENGINE, '') <> 'InnoDB' LIMIT 1");
  if (engine.has_value()) return Wrong(*engine, "run ALTER TABLE … ENGINE = InnoDB: others have no transactions");
  const auto column = connection.Value(
      "SELECT CONCAT(TABLE_NAME, '.', COLUMN_NAME, ' has the collation ', COLLATION_NAME) FROM "
      "information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND COLLATION_NAME IS NOT NULL LIMIT 1");
  if (column.has_value()) return Wrong(*column, "it must be binary: a collation would decide who somebody is");
  return absl::OkStatus();
}

absl::Status CheckServer(Connection& connection, bool allow_lossy_commits) {
  const std::string mode = connection.Value("SELECT @@global.sql_mode").value_or("");
  if (!absl::StrContains(mode, "STRICT_TRANS_TABLES") && !absl::StrContains(mode, "STRICT_ALL_TABLES")) {
    return Wrong(absl::StrCat("sql_mode is '", mode, "'"), "set sql_mode to include STRICT_TRANS_TABLES");
  }
  constexpr int64_t kLeastPacket = 4 << 20;
  if (const int64_t packet = Number(connection, "SELECT @@global.max_allowed_packet"); packet < kLeastPacket) {
    return Wrong(absl::StrCat("max_allowed_packet is ", packet), absl::StrCat("set it to ", kLeastPacket, " or more"));
  }
  if (allow_lossy_commits) return absl::OkStatus();
  constexpr char kOrAllow[] = "set it to 1, or --allow-lossy-store if a crash may undo logouts";
  if (const int64_t flush = Number(connection, "SELECT @@global.innodb_flush_log_at_trx_commit"); flush != 1) {
    return Wrong(absl::StrCat("innodb_flush_log_at_trx_commit is ", flush), kOrAllow);
  }
  const auto log_bin = connection.Value("SELECT @@global.log_bin").value_or("0");
  if (const int64_t sync = Number(connection, "SELECT @@global.sync_binlog"); log_bin != "0" && sync != 1) {
    return Wrong(absl::StrCat("the binary log is on and sync_binlog is ", sync), kOrAllow);
  }
  return absl::OkStatus();
}

}  // namespace watchword::mysql
