#pragma once

#include <cstddef>
#include <string>

namespace watchword::mysql {

// Every statement that runs on an open store. Parameters are in the order in which they are bound.
enum class Sql {
  kInsertPrincipal,
  kFindPrincipalByName,
  kFindPrincipal,
  kLockPrincipal,
  kListPrincipals,
  kSetPassword,
  kReplaceHash,
  kSetDisabled,

  kInsertSession,
  kFindSession,
  kFindSessionByTokenDigest,
  kLockSession,
  kRotate,
  kRevokeSession,
  kNewestSession,
  kLastSessionTokenEnd,
  kEndSessions,
  kNoteActivity,
  kListLiveSessions,
  kDeleteExpiredSessions,

  kLockSequencer,
  kMoveSeq,
  kFindHead,
  kFindRevocation,
  kReadRevocationsAfter,
  kExpiredRevocations,
  kMoveCompactedSeq,
  kBeginEpoch,

  kListKeys,
  kHasKey,
  kInsertKey,
  kFindKeyState,
  kHasKeyInState,
  kSetKeyState,
  kDeleteKey,
  kDeleteKeysInState,
  kReplaceSealedKey,
  kReplaceSecret,
  kFindSecret,
  kInsertSecret,

  kDeleteExpiredAttempts,

  kReport,
  kPeers,
  kDeleteOldReports,
  kTakeLease,
  kFindLease,

  kPing,
  kCount,  // not a statement
};
inline constexpr size_t kSqlCount = static_cast<size_t>(Sql::kCount);

// Statements about several rows at once.
enum class RowsSql {
  kInsertRevocations,
  kSessionsToRevoke,
  kFindAttempts,
  kLockAttempts,
  kPutAttempts,
  kCount,  // not a statement
};
inline constexpr size_t kRowsSqlCount = static_cast<size_t>(RowsSql::kCount);
inline constexpr size_t kMaxRows = 32;

// The text of a statement.
std::string TextOf(Sql sql);
std::string TextOf(RowsSql sql, size_t count);

}  // namespace watchword::mysql
