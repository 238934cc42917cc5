#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/store/records.h"

namespace watchword {

// How the stores that speak SQL lay records out in columns: the names of the columns and, in the same order, who binds
// and reads them. `Query` is a store's own: a prepared statement with Bind… for parameters and Int, Bytes, … for
// columns, each taking the next one.

inline constexpr char kPrincipalColumns[] =
    "p.id, p.kind, p.name, p.password_hash, p.scopes, p.disabled, p.credential_version, p.created_at, "
    "p.sessions_revoked_until";
inline constexpr char kSessionColumns[] =
    "s.id, s.principal, s.kind, s.token_digest, s.binding, s.generation, s.rotated_at, s.created_at, s.last_used_at, "
    "s.idle_expires_at, s.expires_at, s.audiences, s.scopes, s.include_username, s.revoked_at";
inline constexpr char kRevocationColumns[] = "seq, kind, target, key_id, began_until, created_at, expires_at";
inline constexpr char kKeyColumns[] = "key_id, algorithm, state, sealed_private_key, created_at, changed_at";

inline constexpr char kAttemptsColumns[] =
    "failures, refused, failed_at, blocked_until, known_until, expires_at, digest";

// Whether a list can be kept as text: INVALID_ARGUMENT if an element is empty or has a space, and would be read back as
// none or as two.
inline absl::Status CheckList(const std::vector<std::string>& list) {
  for (const std::string& element : list) {
    if (element.empty() || absl::StrContains(element, " ")) {
      return absl::InvalidArgumentError("a scope or audience is empty or has a space");
    }
  }
  return absl::OkStatus();
}

template <typename Query>
void BindPrincipal(Query& row, const PrincipalRecord& principal) {
  row.BindId(principal.id)
      .BindInt(static_cast<int64_t>(principal.kind))
      .BindBytes(principal.name)
      .BindBytes(principal.password_hash)
      .BindList(principal.scopes)
      .BindInt(principal.disabled ? 1 : 0)
      .BindInt(principal.credential_version)
      .BindTime(principal.created_at)
      .BindTime(principal.sessions_revoked_until);
}

template <typename Query>
PrincipalRecord ReadPrincipal(Query& row) {
  PrincipalRecord principal;
  principal.id = row.Id();
  principal.kind = static_cast<PrincipalKind>(row.Int());
  principal.name = row.Bytes();
  principal.password_hash = row.Bytes();
  principal.scopes = row.List();
  principal.disabled = row.Int() != 0;
  principal.credential_version = row.Int();
  principal.created_at = row.Time();
  principal.sessions_revoked_until = row.Time();
  return principal;
}

template <typename Query>
void BindSession(Query& row, const SessionRecord& session) {
  row.BindId(session.id).BindId(session.principal).BindInt(static_cast<int64_t>(session.kind));
  session.token_digest.empty() ? row.BindNull() : row.BindBytes(session.token_digest);
  row.BindBytes(session.binding)
      .BindInt(session.generation)
      .BindTime(session.rotated_at)
      .BindTime(session.created_at)
      .BindTime(session.last_used_at)
      .BindTime(session.idle_expires_at)
      .BindTime(session.expires_at)
      .BindList(session.audiences)
      .BindList(session.scopes)
      .BindInt(session.include_username ? 1 : 0);
  session.revoked_at.has_value() ? row.BindTime(*session.revoked_at) : row.BindNull();
}

template <typename Query>
SessionRecord ReadSession(Query& row) {
  SessionRecord session;
  session.id = row.Id();
  session.principal = row.Id();
  session.kind = static_cast<SessionKind>(row.Int());
  session.token_digest = row.Bytes();
  session.binding = row.Bytes();
  session.generation = row.Int();
  session.rotated_at = row.Time();
  session.created_at = row.Time();
  session.last_used_at = row.Time();
  session.idle_expires_at = row.Time();
  session.expires_at = row.Time();
  session.audiences = row.List();
  session.scopes = row.List();
  session.include_username = row.Int() != 0;
  session.revoked_at = row.OptionalTime();
  return session;
}

template <typename Query>
SessionView ReadSessionView(Query& row) {
  SessionView view;
  view.session = ReadSession(row);
  view.principal = ReadPrincipal(row);
  return view;
}

template <typename Query>
void BindAttempts(Query& row, const LoginAttemptsRecord& attempts, absl::string_view digest) {
  row.BindInt(attempts.failures)
      .BindInt(attempts.refused)
      .BindTime(attempts.failed_at)
      .BindTime(attempts.blocked_until)
      .BindTime(attempts.known_until)
      .BindTime(attempts.expires_at)
      .BindBytes(digest);
}

// All but the digest.
template <typename Query>
LoginAttemptsRecord ReadAttempts(Query& row) {
  LoginAttemptsRecord attempts;
  attempts.failures = row.Int();
  attempts.refused = row.Int();
  attempts.failed_at = row.Time();
  attempts.blocked_until = row.Time();
  attempts.known_until = row.Time();
  attempts.expires_at = row.Time();
  return attempts;
}

template <typename Query>
void BindRevocation(Query& row, const RevocationRecord& revocation) {
  row.BindInt(static_cast<int64_t>(revocation.seq))
      .BindInt(static_cast<int64_t>(revocation.kind))
      .BindId(revocation.target)
      .BindText(revocation.key_id)
      .BindTime(revocation.began_until)
      .BindTime(revocation.created_at)
      .BindTime(revocation.expires_at);
}

template <typename Query>
RevocationRecord ReadRevocation(Query& row) {
  RevocationRecord revocation;
  revocation.seq = static_cast<uint64_t>(row.Int());
  revocation.kind = static_cast<RevocationKind>(row.Int());
  revocation.target = row.Id();
  revocation.key_id = row.Bytes();
  revocation.began_until = row.Time();
  revocation.created_at = row.Time();
  revocation.expires_at = row.Time();
  return revocation;
}

template <typename Query>
void BindKey(Query& row, const SigningKeyRecord& key) {
  row.BindText(key.key_id)
      .BindText(key.algorithm)
      .BindInt(static_cast<int64_t>(key.state))
      .BindBytes(key.sealed_private_key)
      .BindTime(key.created_at)
      .BindTime(key.changed_at);
}

template <typename Query>
SigningKeyRecord ReadKey(Query& row) {
  SigningKeyRecord key;
  key.key_id = row.Bytes();
  key.algorithm = row.Bytes();
  key.state = static_cast<SigningKeyState>(row.Int());
  key.sealed_private_key = row.Bytes();
  key.created_at = row.Time();
  key.changed_at = std::max(key.created_at, row.Time());  // the first schema's servers do not write it
  return key;
}

// Why a session was not created, judged by what its principal is now; see SessionStore::Create.
inline absl::Status WhyNotCreated(const PrincipalRecord& principal, int64_t credential_version) {
  if (principal.disabled || principal.credential_version != credential_version) {
    return absl::FailedPreconditionError("the account was changed since its password was checked");
  }
  return absl::AbortedError("all sessions of the account were ended at this time or later");
}

// As the largest that SQL can hold: cursors come from verifiers and may be any number.
inline int64_t SignedSeq(uint64_t seq) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  return seq > static_cast<uint64_t>(kMost) ? kMost : static_cast<int64_t>(seq);
}

// When all sessions of a principal are ended: until when those end that began, rounded up to what ids can tell apart.
inline absl::Time RoundUpToMillisecond(absl::Time time) {
  return absl::UnixEpoch() + absl::Ceil(time - absl::UnixEpoch(), absl::Milliseconds(1));
}

// Greater than every id of a session, which are of version 7.
inline Uuid LastId() { return Uuid::FromBytes(std::string(Uuid::kSize, '\xff')).value_or(Uuid()); }

// FNV-1a of a migration's text: to notice one that was edited, not to withstand an attacker, who could edit the
// checksum as well.
inline int64_t MigrationChecksum(absl::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return static_cast<int64_t>(hash);
}

}  // namespace watchword
