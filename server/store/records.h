#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "watchword/base/uuid.h"

namespace watchword {

// What the stores keep. Plain values. Times are kept to the microsecond, in UTC, between 1970 and 9999.

enum class PrincipalKind { kUser = 1, kServiceAccount = 2 };

struct PrincipalRecord {
  Uuid id;
  PrincipalKind kind = PrincipalKind::kUser;
  std::string name;                 // canonical, at most 255 bytes, unique
  std::string password_hash;        // PHC string, at most 255 bytes
  std::vector<std::string> scopes;  // those its credentials may carry; no spaces
  bool disabled = false;
  int64_t credential_version = 1;  // grows with each change of password or disabled
  absl::Time created_at;
  absl::Time sessions_revoked_until = absl::UnixEpoch();  // its sessions that began at or before this are ended
};

enum class SessionKind { kAccessToken = 1, kSessionToken = 2 };

struct SessionRecord {
  Uuid id;  // version 7, of the time created_at
  Uuid principal;
  SessionKind kind = SessionKind::kAccessToken;
  std::string token_digest;  // SHA-256 of the session token: 32 bytes; empty for kAccessToken
  std::string binding;     // HMAC over id, principal and digest: 32 bytes. A row copied to somebody else does not match
  int64_t generation = 0;  // of the newest refresh token
  absl::Time rotated_at;   // when that was issued
  absl::Time created_at;   // a whole millisecond
  absl::Time last_used_at;
  absl::Time idle_expires_at;
  absl::Time expires_at;  // in any case
  std::vector<std::string> audiences;
  std::vector<std::string> scopes;
  bool include_username = false;
  std::optional<absl::Time> revoked_at;
};

// A session with its principal, read at one point in time.
struct SessionView {
  SessionRecord session;
  PrincipalRecord principal;

  // Whether the session or its account was ended by somebody. Expiry is another question.
  bool revoked() const {
    return session.revoked_at.has_value() || principal.disabled ||
           session.created_at <= principal.sessions_revoked_until;
  }
};

enum class RevocationKind { kSession = 1, kPrincipal = 2, kKey = 3 };

struct RevocationRecord {
  uint64_t seq = 0;  // given by the log
  RevocationKind kind = RevocationKind::kSession;
  Uuid target;             // the session or principal
  std::string key_id;      // for kKey
  absl::Time began_until;  // for kPrincipal
  absl::Time created_at;
  absl::Time expires_at;  // when everything it can revoke has expired
};

// Logins that failed: of an account, from a source, or of an account from a source.
struct LoginAttemptsRecord {
  int64_t failures = 0;                          // counted against it
  int64_t refused = 0;                           // that came while it was blocked
  absl::Time failed_at = absl::UnixEpoch();      // the last one that was counted
  absl::Time blocked_until = absl::UnixEpoch();  // nothing is accepted before
  absl::Time known_until = absl::UnixEpoch();    // of an account from a source: it has logged in from there
  absl::Time expires_at = absl::UnixEpoch();     // it means nothing from then on
};

// A key that is gone has no record.
enum class SigningKeyState {
  kPublished = 1,  // verifiers may hold it; signs nothing yet
  kActive = 2,     // signs; there is always exactly one
  kRetired = 3,    // verifies what it has signed
};

struct SigningKeyRecord {
  std::string key_id;
  std::string algorithm;  // "ES256", "EdDSA" or "RS256"
  SigningKeyState state = SigningKeyState::kActive;
  std::string sealed_private_key;  // never in the clear
  absl::Time created_at;
  absl::Time changed_at;  // when it came into its state
};

}  // namespace watchword
