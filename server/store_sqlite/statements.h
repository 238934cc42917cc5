#pragma once

#include <cstddef>
#include <string>

namespace watchword {

// Every statement that runs on an open store. Parameters are numbered in the order in which they are bound.
enum class Sql {
  kInsertPrincipal,
  kFindPrincipalByName,
  kFindPrincipal,
  kListPrincipals,
  kSetPassword,
  kReplaceHash,
  kSetDisabled,

  kInsertSession,
  kFindSession,
  kFindSessionByTokenDigest,
  kRotate,
  kRevokeSession,
  kNewestSession,
  kLastSessionTokenEnd,
  kEndSessions,
  kNoteActivity,
  kListLiveSessions,
  kDeleteExpiredSessions,

  kNextSeq,
  kInsertRevocation,
  kFindHead,
  kReadRevocationsAfter,
  kDeleteExpiredRevocations,
  kMoveCompactedSeq,

  kListKeys,
  kInsertFirstKey,
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

  kFindAttempts,
  kPutAttempts,
  kDeleteExpiredAttempts,
  kCount,  // not a statement
};

inline constexpr size_t kSqlCount = static_cast<size_t>(Sql::kCount);

// The text of a statement.
std::string TextOf(Sql sql);

}  // namespace watchword
