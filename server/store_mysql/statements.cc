#include "server/store_mysql/statements.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/store/sql_records.h"

namespace watchword::mysql {
namespace {

// At READ COMMITTED, a SELECT inside another statement reads without locks, and what it has seen may be over before the
// statement commits. LOCK IN SHARE MODE makes it wait for whoever ends or disables the principal, and makes them wait
// until this has committed. MySQL and MariaDB both take this older form of FOR SHARE.
constexpr char kPrincipalAllows[] =
    "EXISTS (SELECT 1 FROM principals p WHERE p.id = sessions.principal AND p.disabled = 0 "
    "AND p.sessions_revoked_until < sessions.created_at LOCK IN SHARE MODE)";

// The clock of the database, in microseconds.
constexpr char kDatabaseNow[] = "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";

std::string PrincipalStatement(Sql sql) {
  switch (sql) {
    case Sql::kInsertPrincipal:
      return "INSERT INTO principals (id, kind, name, password_hash, scopes, disabled, credential_version, created_at, "
             "sessions_revoked_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    case Sql::kFindPrincipalByName:
      return absl::StrCat("SELECT ", kPrincipalColumns, " FROM principals p WHERE p.name = ?");
    case Sql::kFindPrincipal:
      return absl::StrCat("SELECT ", kPrincipalColumns, " FROM principals p WHERE p.id = ?");
    case Sql::kLockPrincipal:
      return absl::StrCat("SELECT ", kPrincipalColumns, " FROM principals p WHERE p.id = ? FOR UPDATE");
    case Sql::kListPrincipals:
      return absl::StrCat("SELECT ", kPrincipalColumns, " FROM principals p WHERE p.name > ? ORDER BY p.name LIMIT ?");
    case Sql::kSetPassword:
      return "UPDATE principals SET password_hash = ?, credential_version = credential_version + 1 WHERE id = ?";
    case Sql::kReplaceHash:
      return "UPDATE principals SET password_hash = ? WHERE id = ? AND password_hash = ?";
    case Sql::kSetDisabled:
      return "UPDATE principals SET disabled = ?, credential_version = credential_version + 1 WHERE id = ?";
    default:
      return "";
  }
}

// Each that changes a session is one statement with all its conditions: the affected-row count decides, so of any
// number that race one wins, and nothing can happen between a check and the change that rests on it.
std::string SessionStatement(Sql sql) {
  switch (sql) {
    case Sql::kInsertSession:
      return "INSERT INTO sessions (id, principal, kind, token_digest, binding, generation, rotated_at, created_at, "
             "last_used_at, idle_expires_at, expires_at, audiences, scopes, include_username, revoked_at) "
             "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM principals p "
             "WHERE p.id = ? AND p.disabled = 0 AND p.sessions_revoked_until < ? AND p.credential_version = ? "
             "LOCK IN SHARE MODE";
    case Sql::kFindSession:
      return absl::StrCat("SELECT ", kSessionColumns, ", ", kPrincipalColumns,
                          " FROM sessions s JOIN principals p ON p.id = s.principal WHERE s.id = ?");
    case Sql::kFindSessionByTokenDigest:
      return absl::StrCat("SELECT ", kSessionColumns, ", ", kPrincipalColumns,
                          " FROM sessions s JOIN principals p ON p.id = s.principal WHERE s.token_digest = ?");
    case Sql::kLockSession:
      return "SELECT generation, rotated_at, last_used_at FROM sessions WHERE id = ? FOR UPDATE";
    case Sql::kRotate:
      return absl::StrCat(
          "UPDATE sessions SET generation = generation + 1, rotated_at = ?, last_used_at = ?, idle_expires_at = ? "
          "WHERE id = ? AND generation = ? AND revoked_at IS NULL AND ends_at > ? AND ",
          kPrincipalAllows);
    case Sql::kRevokeSession:
      return absl::StrCat("UPDATE sessions SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL AND ",
                          kPrincipalAllows);
    case Sql::kLastSessionTokenEnd:
      return "SELECT MAX(expires_at) FROM sessions WHERE principal = ? AND kind = 2";
    case Sql::kNewestSession:  // ids sort as created_at does
      return "SELECT created_at FROM sessions WHERE principal = ? ORDER BY id DESC LIMIT 1";
    case Sql::kEndSessions:
      return "UPDATE principals SET sessions_revoked_until = ? WHERE id = ?";
    case Sql::kNoteActivity:
      return "UPDATE sessions SET last_used_at = GREATEST(last_used_at, ?), "
             "idle_expires_at = GREATEST(idle_expires_at, LEAST(expires_at, ?)) WHERE id = ?";
    case Sql::kListLiveSessions:
      return absl::StrCat("SELECT ", kSessionColumns,
                          " FROM sessions s JOIN principals p ON p.id = s.principal "
                          "WHERE s.principal = ? AND s.id < ? AND s.revoked_at IS NULL AND s.ends_at > ? "
                          "AND p.disabled = 0 AND p.sessions_revoked_until < s.created_at "
                          "ORDER BY s.id DESC LIMIT ?");
    case Sql::kDeleteExpiredSessions:
      return "DELETE FROM sessions WHERE ends_at < ? ORDER BY ends_at LIMIT ?";
    default:
      return "";
  }
}

std::string RevocationStatement(Sql sql) {
  switch (sql) {
    case Sql::kLockSequencer:
      return "SELECT seq FROM revocation_sequencer WHERE id = 1 FOR UPDATE";
    case Sql::kMoveSeq:
      return "UPDATE revocation_sequencer SET seq = ? WHERE id = 1";
    case Sql::kFindHead:
      return "SELECT seq, compacted_seq, epoch, @@global.read_only FROM revocation_sequencer WHERE id = 1";
    case Sql::kFindRevocation:
      return absl::StrCat("SELECT ", kRevocationColumns, " FROM revocations WHERE seq = ?");
    case Sql::kReadRevocationsAfter:
      return absl::StrCat("SELECT ", kRevocationColumns, " FROM revocations WHERE seq > ? ORDER BY seq LIMIT ?");
    case Sql::kExpiredRevocations:
      return "SELECT seq FROM revocations WHERE expires_at < ? ORDER BY expires_at, seq LIMIT ?";
    case Sql::kMoveCompactedSeq:
      return "UPDATE revocation_sequencer SET compacted_seq = GREATEST(compacted_seq, ?) WHERE id = 1";
    case Sql::kBeginEpoch:
      return "UPDATE revocation_sequencer SET epoch = ? WHERE id = 1 AND epoch = ?";
    default:
      return "";
  }
}

std::string KeyStatement(Sql sql) {
  switch (sql) {
    case Sql::kListKeys:
      return absl::StrCat("SELECT ", kKeyColumns, " FROM signing_keys ORDER BY created_at DESC, key_id DESC");
    case Sql::kHasKey:
      return "SELECT 1 FROM signing_keys LIMIT 1";
    case Sql::kInsertKey:
      return absl::StrCat("INSERT INTO signing_keys (", kKeyColumns, ") VALUES (?, ?, ?, ?, ?, ?)");
    case Sql::kFindKeyState:
      return "SELECT state FROM signing_keys WHERE key_id = ?";
    case Sql::kHasKeyInState:
      return "SELECT 1 FROM signing_keys WHERE state = ? LIMIT 1";
    case Sql::kSetKeyState:
      return "UPDATE signing_keys SET state = ?, changed_at = ? WHERE key_id = ?";
    case Sql::kDeleteKey:
      return "DELETE FROM signing_keys WHERE key_id = ?";
    case Sql::kDeleteKeysInState:
      return "DELETE FROM signing_keys WHERE state = ?";
    case Sql::kReplaceSealedKey:
      return "UPDATE signing_keys SET sealed_private_key = ? WHERE key_id = ? AND sealed_private_key = ?";
    case Sql::kReplaceSecret:
      return "UPDATE secrets SET sealed = ? WHERE name = ? AND sealed = ?";
    case Sql::kFindSecret:
      return "SELECT sealed FROM secrets WHERE name = ?";
    case Sql::kInsertSecret:
      return "INSERT IGNORE INTO secrets (name, sealed) VALUES (?, ?)";
    case Sql::kDeleteExpiredAttempts:
      return "DELETE FROM login_attempts WHERE expires_at < ? ORDER BY expires_at LIMIT ?";
    default:
      return "";
  }
}

std::string ReplicaStatement(Sql sql) {
  switch (sql) {
    case Sql::kReport:
      return absl::StrCat("INSERT INTO replicas (id, report, reported_at) VALUES (?, ?, ", kDatabaseNow,
                          ") ON DUPLICATE KEY UPDATE report = VALUES(report), reported_at = VALUES(reported_at)");
    case Sql::kPeers:
      return absl::StrCat("SELECT id, report, ", kDatabaseNow, " - reported_at FROM replicas WHERE id <> ?");
    case Sql::kDeleteOldReports:
      return absl::StrCat("DELETE FROM replicas WHERE reported_at < ", kDatabaseNow, " - ?");
    case Sql::kTakeLease:
      // The columns are set from left to right: `until` must be compared before it is set.
      return absl::StrCat("INSERT INTO leases (name, holder, until) VALUES (?, ?, ", kDatabaseNow,
                          " + ?) ON DUPLICATE KEY UPDATE "
                          "holder = IF(until < ",
                          kDatabaseNow,
                          ", VALUES(holder), holder), "
                          "until = IF(holder = VALUES(holder), VALUES(until), until)");
    case Sql::kFindLease:
      return "SELECT holder FROM leases WHERE name = ?";
    case Sql::kPing:
      return "SELECT @@global.read_only";
    default:
      return "";
  }
}

}  // namespace

std::string TextOf(Sql sql) {
  if (sql <= Sql::kSetDisabled) return PrincipalStatement(sql);
  if (sql <= Sql::kDeleteExpiredSessions) return SessionStatement(sql);
  if (sql <= Sql::kBeginEpoch) return RevocationStatement(sql);
  if (sql <= Sql::kDeleteExpiredAttempts) return KeyStatement(sql);
  return ReplicaStatement(sql);
}

std::string TextOf(RowsSql sql, size_t count) {
  const auto repeated = [count](const char* each) {
    return absl::StrJoin(std::vector<const char*>(count, each), ", ");
  };
  switch (sql) {
    case RowsSql::kInsertRevocations:
      return absl::StrCat("INSERT INTO revocations (", kRevocationColumns, ") VALUES ",
                          repeated("(?, ?, ?, ?, ?, ?, ?)"));
    case RowsSql::kSessionsToRevoke:
      return absl::StrCat("SELECT id, kind, expires_at FROM sessions WHERE id IN (", repeated("?"), ")");
    case RowsSql::kFindAttempts:
      return absl::StrCat("SELECT ", kAttemptsColumns, " FROM login_attempts WHERE digest IN (", repeated("?"), ")");
    case RowsSql::kLockAttempts:  // also those that are not there yet, which FOR UPDATE could not
      return absl::StrCat("INSERT INTO login_attempts (", kAttemptsColumns, ") VALUES ",
                          repeated("(0, 0, 0, 0, 0, 0, ?)"), " ON DUPLICATE KEY UPDATE refused = refused");
    case RowsSql::kPutAttempts:
      return absl::StrCat("INSERT INTO login_attempts (", kAttemptsColumns, ") VALUES ",
                          repeated("(?, ?, ?, ?, ?, ?, ?)"),
                          " ON DUPLICATE KEY UPDATE failures = VALUES(failures), refused = VALUES(refused), "
                          "failed_at = VALUES(failed_at), blocked_until = VALUES(blocked_until), "
                          "known_until = VALUES(known_until), expires_at = VALUES(expires_at)");
    case RowsSql::kCount:
      break;
  }
  return "";
}

}  // namespace watchword::mysql
