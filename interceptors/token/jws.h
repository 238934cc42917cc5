#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/token/jwk.h"

namespace watchword {

// What the `typ` of a token must be.
enum class TokenType {
  kAny,
  kAccessToken,  // "at+jwt" or "application/at+jwt", in any case (RFC 9068 section 4)
};

struct VerifiedJws {
  std::string payload;
  std::string key_id;
};

// Checks the form, header and signature of a compact JWS, as TokenVerifier::Verify describes it. UNAUTHENTICATED with
// reason TOKEN_INVALID and a detail that tells nothing about which keys there are.
absl::StatusOr<VerifiedJws> VerifyJws(absl::string_view token, TokenType type, const KeySet& keys);

// The `kid` in a token's header, without any check of its signature. Errors as VerifyJws for a bad form.
absl::StatusOr<std::string> ClaimedKeyId(absl::string_view token);

// UNAUTHENTICATED with reason TOKEN_INVALID.
absl::Status TokenInvalid(absl::string_view detail);

}  // namespace watchword
