#include "server/store_sqlite/statements.h"

#include "absl/strings/str_cat.h"
#include "server/store/sql_records.h"

namespace watchword {
namespace {

std::string PrincipalStatement(Sql sql) {
  switch (sql) {
    case Sql::kInsertPrincipal:
      return "INSERT INTO principals (id, kind, name, password_hash, scopes, disabled, credential_version, created_at, "
             "sessions_revoked_until) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    case Sql::kFindPrincipalByName:
      return absl::StrCat("SELECT ", kPrincipalColumns, " FROM principals p WHERE p.name = ?1");
    case Sql::kFindPrincipal:
      return absl::StrCat("SELECT ", kPrincipalColumns, " FROM principals p WHERE p.id = ?1");
    case Sql::kListPrincipals:
      return absl::StrCat("SELECT ", kPrincipalColumns,
                          " FROM principals p WHERE p.name > ?1 ORDER BY p.name LIMIT ?2");
    case Sql::kSetPassword:
      return "UPDATE principals SET password_hash = ?2, credential_version = credential_version + 1 "
             "WHERE id = ?1 AND (?3 = 0 OR credential_version = ?3)";  // versions begin with 1
    case Sql::kReplaceHash:
      return "UPDATE principals SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2";
    case Sql::kSetDisabled:
      return "UPDATE principals SET disabled = ?2, credential_version = credential_version + 1 "
             "WHERE id = ?1 AND disabled <> ?2";
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
             "SELECT ?1, p.id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15 FROM principals p "
             "WHERE p.id = ?2 AND p.disabled = 0 AND p.sessions_revoked_until < ?8 AND p.credential_version = ?16";
    case Sql::kFindSession:
      return absl::StrCat("SELECT ", kSessionColumns, ", ", kPrincipalColumns,
                          " FROM sessions s JOIN principals p ON p.id = s.principal WHERE s.id = ?1");
    case Sql::kFindSessionByTokenDigest:
      return absl::StrCat("SELECT ", kSessionColumns, ", ", kPrincipalColumns,
                          " FROM sessions s JOIN principals p ON p.id = s.principal WHERE s.token_digest = ?1");
    case Sql::kRotate:
      return "UPDATE sessions SET generation = generation + 1, rotated_at = ?3, last_used_at = ?3, "
             "idle_expires_at = ?4 "
             "WHERE id = ?1 AND generation = ?2 AND revoked_at IS NULL AND ends_at > ?3 "
             "AND EXISTS (SELECT 1 FROM principals p WHERE p.id = sessions.principal AND p.disabled = 0 "
             "AND p.sessions_revoked_until < sessions.created_at)";
    case Sql::kRevokeSession:
      return "UPDATE sessions SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL "
             "AND EXISTS (SELECT 1 FROM principals p WHERE p.id = sessions.principal AND p.disabled = 0 "
             "AND p.sessions_revoked_until < sessions.created_at) "
             "RETURNING kind, expires_at";
    case Sql::kLastSessionTokenEnd:
      return "SELECT max(expires_at) FROM sessions WHERE principal = ?1 AND token_digest IS NOT NULL";
    case Sql::kNewestSession:  // ids sort as created_at does
      return "SELECT created_at FROM sessions WHERE principal = ?1 ORDER BY id DESC LIMIT 1";
    case Sql::kEndSessions:
      return "UPDATE principals SET sessions_revoked_until = max(sessions_revoked_until, ?2) WHERE id = ?1 "
             "RETURNING sessions_revoked_until";
    case Sql::kNoteActivity:
      return "UPDATE sessions SET last_used_at = max(last_used_at, ?2), idle_expires_at = max(idle_expires_at, "
             "min(expires_at, ?3)) "
             "WHERE id = ?1";
    case Sql::kListLiveSessions:
      return absl::StrCat("SELECT ", kSessionColumns,
                          " FROM sessions s JOIN principals p ON p.id = s.principal "
                          "WHERE s.principal = ?1 AND s.id < ?3 AND s.revoked_at IS NULL AND s.ends_at > ?2 "
                          "AND p.disabled = 0 AND p.sessions_revoked_until < s.created_at "
                          "ORDER BY s.id DESC LIMIT ?4");
    case Sql::kDeleteExpiredSessions:
      return "DELETE FROM sessions WHERE id IN "
             "(SELECT id FROM sessions WHERE ends_at < ?1 ORDER BY ends_at LIMIT ?2)";
    default:
      return "";
  }
}

std::string RevocationStatement(Sql sql) {
  switch (sql) {
    case Sql::kNextSeq:
      return "UPDATE revocation_sequencer SET seq = seq + 1 WHERE id = 1 RETURNING seq";
    case Sql::kInsertRevocation:
      return "INSERT INTO revocations (seq, kind, target, key_id, began_until, created_at, expires_at) "
             "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    case Sql::kFindHead:
      return "SELECT seq, compacted_seq FROM revocation_sequencer WHERE id = 1";
    case Sql::kReadRevocationsAfter:
      return absl::StrCat("SELECT ", kRevocationColumns, " FROM revocations WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    case Sql::kDeleteExpiredRevocations:
      return "DELETE FROM revocations WHERE seq IN "
             "(SELECT seq FROM revocations WHERE expires_at < ?1 ORDER BY expires_at, seq LIMIT ?2) RETURNING seq";
    case Sql::kMoveCompactedSeq:
      return "UPDATE revocation_sequencer SET compacted_seq = max(compacted_seq, ?1) WHERE id = 1";
    default:
      return "";
  }
}

std::string KeyStatement(Sql sql) {
  switch (sql) {
    case Sql::kListKeys:
      return absl::StrCat("SELECT ", kKeyColumns, " FROM signing_keys ORDER BY created_at DESC, key_id DESC");
    case Sql::kInsertFirstKey:
      return absl::StrCat("INSERT INTO signing_keys (", kKeyColumns,
                          ") SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM signing_keys)");
    case Sql::kInsertKey:
      return absl::StrCat("INSERT INTO signing_keys (", kKeyColumns, ") VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    case Sql::kFindKeyState:
      return "SELECT state FROM signing_keys WHERE key_id = ?1";
    case Sql::kHasKeyInState:
      return "SELECT 1 FROM signing_keys WHERE state = ?1 LIMIT 1";
    case Sql::kSetKeyState:
      return "UPDATE signing_keys SET state = ?1, changed_at = ?2 WHERE key_id = ?3";
    case Sql::kDeleteKey:
      return "DELETE FROM signing_keys WHERE key_id = ?1";
    case Sql::kDeleteKeysInState:
      return "DELETE FROM signing_keys WHERE state = ?1";
    case Sql::kReplaceSealedKey:
      return "UPDATE signing_keys SET sealed_private_key = ?1 WHERE key_id = ?2 AND sealed_private_key = ?3";
    case Sql::kReplaceSecret:
      return "UPDATE secrets SET sealed = ?1 WHERE name = ?2 AND sealed = ?3";
    case Sql::kFindSecret:
      return "SELECT sealed FROM secrets WHERE name = ?1";
    case Sql::kInsertSecret:
      return "INSERT INTO secrets (name, sealed) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    default:
      return "";
  }
}

std::string AttemptsStatement(Sql sql) {
  switch (sql) {
    case Sql::kFindAttempts:
      return absl::StrCat("SELECT ", kAttemptsColumns, " FROM login_attempts WHERE digest = ?1");
    case Sql::kPutAttempts:
      return absl::StrCat("INSERT OR REPLACE INTO login_attempts (", kAttemptsColumns,
                          ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    case Sql::kDeleteExpiredAttempts:
      return "DELETE FROM login_attempts WHERE digest IN (SELECT digest FROM login_attempts WHERE expires_at < ?1 "
             "ORDER BY expires_at LIMIT ?2)";
    default:
      return "";
  }
}

}  // namespace

std::string TextOf(Sql sql) {
  if (sql <= Sql::kSetDisabled) return PrincipalStatement(sql);
  if (sql <= Sql::kDeleteExpiredSessions) return SessionStatement(sql);
  if (sql <= Sql::kMoveCompactedSeq) return RevocationStatement(sql);
  if (sql <= Sql::kInsertSecret) return KeyStatement(sql);
  return AttemptsStatement(sql);
}

}  // namespace watchword
