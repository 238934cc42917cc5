#include "server/store_sqlite/schema.h"

#include <SQLiteCpp/Transaction.h>

#include <array>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/store/sql_records.h"

namespace watchword {
namespace {

constexpr absl::string_view kMagic("SQLite format 3\0", 16);
constexpr size_t kUserVersionOffset = 60;
constexpr size_t kApplicationIdOffset = 68;
constexpr uint32_t kApplicationId = 0x57575244;  // "WWRD"

// Ids are 16 bytes and sort by age, times are microseconds since 1970, lists are separated by one space. Names are
// bytes and compared as such: no collation decides who somebody is. Tables lie in the order of their keys (WITHOUT
// ROWID), so that new sessions go to the end and finding one takes one look-up.
constexpr char kFirstSchema[] = R"sql(
CREATE TABLE principals (
  id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  kind INTEGER NOT NULL,
  name BLOB NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 255),
  password_hash BLOB NOT NULL CHECK (length(password_hash) <= 255),
  scopes TEXT NOT NULL,
  disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
  credential_version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  sessions_revoked_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  principal BLOB NOT NULL REFERENCES principals (id),
  kind INTEGER NOT NULL,
  token_digest BLOB CHECK (length(token_digest) = 32),
  binding BLOB NOT NULL CHECK (length(binding) = 32),
  generation INTEGER NOT NULL,
  rotated_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL,
  idle_expires_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL GENERATED ALWAYS AS (min(idle_expires_at, expires_at)) VIRTUAL,
  audiences TEXT NOT NULL,
  scopes TEXT NOT NULL,
  include_username INTEGER NOT NULL CHECK (include_username IN (0, 1)),
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_principal ON sessions (principal, id);
CREATE UNIQUE INDEX sessions_by_token_digest ON sessions (token_digest) WHERE token_digest IS NOT NULL;
CREATE INDEX sessions_by_end ON sessions (ends_at);
CREATE INDEX session_tokens_by_end ON sessions (principal, expires_at) WHERE token_digest IS NOT NULL;

CREATE TABLE revocations (
  seq INTEGER NOT NULL PRIMARY KEY,
  kind INTEGER NOT NULL,
  target BLOB NOT NULL CHECK (length(target) = 16),
  key_id TEXT NOT NULL,
  began_until INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX revocations_by_expiry ON revocations (expires_at);

CREATE TABLE revocation_sequencer (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  seq INTEGER NOT NULL,
  compacted_seq INTEGER NOT NULL,
  epoch BLOB NOT NULL CHECK (length(epoch) = 16)
) STRICT;

CREATE TABLE signing_keys (
  key_id TEXT NOT NULL PRIMARY KEY,
  algorithm TEXT NOT NULL,
  state INTEGER NOT NULL,
  sealed_private_key BLOB NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX signing_keys_by_age ON signing_keys (created_at, key_id);

CREATE TABLE secrets (
  name TEXT NOT NULL PRIMARY KEY,
  sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

constexpr char kLoginAttempts[] = R"sql(
CREATE TABLE login_attempts (
  digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
  failures INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  failed_at INTEGER NOT NULL,
  blocked_until INTEGER NOT NULL,
  known_until INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX login_attempts_by_expiry ON login_attempts (expires_at);
)sql";

// When a key came into its state.
constexpr char kKeyStates[] = R"sql(
ALTER TABLE signing_keys ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
UPDATE signing_keys SET changed_at = created_at;
)sql";

// Migration i brings schema i to schema i + 1. Once released, a migration is never changed: add another.
constexpr std::array<const char*, 3> kMigrations = {kFirstSchema, kLoginAttempts, kKeyStates};
constexpr int64_t kSchemaVersion = kMigrations.size();

uint32_t BigEndian32(absl::string_view bytes) {
  uint32_t value = 0;
  for (const char c : bytes.substr(0, 4)) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

absl::Status CheckVersion(int64_t version) {
  if (version <= kSchemaVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("it was written by a newer release (schema ", version,
                                                    "; this release knows ", kSchemaVersion, "): run that release"));
}

absl::Status CheckApplied(SQLite::Database& database, int64_t version) {
  SQLite::Statement applied(database, "SELECT version, checksum FROM schema_migrations ORDER BY version");
  int64_t next = 1;
  for (; applied.executeStep(); ++next) {
    if (applied.getColumn(0).getInt64() != next || next > version ||
        applied.getColumn(1).getInt64() != MigrationChecksum(kMigrations[static_cast<size_t>(next - 1)])) {
      break;
    }
  }
  if (next == version + 1 && applied.isDone()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "its schema was not made by the migrations of a release (see migration ", next, "): restore a backup"));
}

void Apply(SQLite::Database& database, int64_t version) {
  const char* const migration = kMigrations[static_cast<size_t>(version - 1)];
  database.exec(migration);
  SQLite::Statement note(database, "INSERT INTO schema_migrations (version, checksum) VALUES (?1, ?2)");
  note.bind(1, version);
  note.bind(2, MigrationChecksum(migration));
  note.exec();
}

void CreateEmpty(SQLite::Database& database) {
  database.exec(
      "CREATE TABLE schema_migrations (version INTEGER NOT NULL PRIMARY KEY, checksum INTEGER NOT NULL) STRICT");
  database.exec(absl::StrCat("PRAGMA application_id = ", kApplicationId));
}

absl::Status AddSequencer(SQLite::Database& database, RandomSource& random) {
  std::array<uint8_t, 16> epoch;
  if (auto status = random.Fill(absl::MakeSpan(epoch)); !status.ok()) return status;
  SQLite::Statement insert(database,
                           "INSERT INTO revocation_sequencer (id, seq, compacted_seq, epoch) VALUES (1, 0, 0, ?1)");
  insert.bind(1, epoch.data(), static_cast<int>(epoch.size()));
  insert.exec();
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckHeader(absl::string_view header) {
  if (header.empty()) return absl::OkStatus();
  if (header.size() < kFileHeaderSize || !absl::StartsWith(header, kMagic)) {
    return absl::FailedPreconditionError("it is not an SQLite database: use another path");
  }
  if (BigEndian32(header.substr(kApplicationIdOffset)) != kApplicationId) {
    return absl::FailedPreconditionError("it is the database of another program: use another path");
  }
  return CheckVersion(BigEndian32(header.substr(kUserVersionOffset)));
}

absl::Status Migrate(Connection& connection, RandomSource& random) {
  SQLite::Database& database = connection.database();
  int64_t version = database.execAndGet("PRAGMA user_version").getInt64();
  if (auto status = CheckVersion(version); !status.ok()) return status;
  if (version > 0) {
    if (auto status = CheckApplied(database, version); !status.ok()) return status;
  }
  if (version == kSchemaVersion) return absl::OkStatus();

  SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
  const bool is_new = version == 0;
  if (is_new) CreateEmpty(database);
  while (version < kSchemaVersion) Apply(database, ++version);
  if (is_new) {
    if (auto status = AddSequencer(database, random); !status.ok()) return status;
  }
  database.exec(absl::StrCat("PRAGMA user_version = ", version));
  transaction.commit();
  return absl::OkStatus();
}

}  // namespace watchword
