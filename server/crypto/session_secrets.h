#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/base/secret.h"
#include "watchword/base/uuid.h"

namespace watchword {

// Refresh tokens carry their session (the token family) and generation, authenticated by an HMAC under a key of the
// server: text "ww_r_…" of session id (16 bytes) ‖ generation (8, big-endian) ‖ SHA-256 of the client certificate (32,
// if the session is bound to one) ‖ HMAC-SHA-256 (32). The token of a generation is thus derived, not stored: a client
// that lost the reply, or two that raced, get the same one.
struct RefreshToken {
  Uuid session_id;
  int64_t generation = 0;
  std::string certificate_sha256;  // 32 bytes; empty: not bound (RFC 8705 section 4)
};

// The text of a refresh token.
std::string FormatRefreshToken(const RefreshToken& token, const Secret& key);

// The token if it is genuine; INVALID_ARGUMENT if it is malformed or not authentic, without saying which.
absl::StatusOr<RefreshToken> ParseRefreshToken(absl::string_view text, const Secret& key);

// What ties a session row to its principal: HMAC-SHA-256 over session id, principal id and token digest (32 bytes or
// empty). A row that somebody copied to another principal in the database does not match.
std::string SessionBinding(const Secret& key, const Uuid& session_id, const Uuid& principal,
                           absl::string_view token_digest);

}  // namespace watchword
