#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "watchword/token/credential.h"
#include "watchword/token/jwk.h"

namespace watchword {

// The largest bearer credential that is looked at, in bytes.
inline constexpr size_t kMaxCredentialSize = 8 * 1024;

// Checks access tokens (RFC 9068, RFC 8725) against a set of keys. Decides whether a token was issued by the issuer for
// this audience and is within its time; knows nothing of revocation.
//
// Immutable and thread-safe.
class TokenVerifier {
 public:
  struct Options {
    // The `iss` to accept, compared byte by byte. Required, unless `any_issuer`.
    std::string issuer;
    // The audiences to accept: one of them must be in the token's `aud`. Required, unless `any_audience`.
    std::vector<std::string> audiences;
    // How far clocks may differ: 0 to 120 s.
    absl::Duration leeway = absl::Seconds(30);
    // The longest `exp` - `iat` to accept.
    absl::Duration max_lifetime = absl::Hours(1);
    // Accept every issuer or audience. For tools that look at tokens, and for the issuer itself.
    bool any_issuer = false;
    bool any_audience = false;
  };

  // INVALID_ARGUMENT, saying what to set, if an option is missing or outside its range.
  static absl::StatusOr<TokenVerifier> Create(Options options);

  // The verified claims of `token`, or UNAUTHENTICATED with reason TOKEN_INVALID or, for a genuine token past its
  // `exp` + leeway, TOKEN_EXPIRED. Checks in the order: size, three parts, strict base64url and JSON, header (`alg`,
  // `typ` "at+jwt" or "application/at+jwt" in any case, `kid`, no `crit`), key by `kid`, algorithm equal to the key's,
  // signature, claims.
  absl::StatusOr<VerifiedCredential> Verify(absl::string_view token, const KeySet& keys, absl::Time now) const;

  // As Verify, but a token that was genuine and has expired is verified too. For Logout.
  absl::StatusOr<VerifiedCredential> VerifyEvenIfExpired(absl::string_view token, const KeySet& keys,
                                                         absl::Time now) const;

  // Whether the credential is for one of the audiences: OK, or UNAUTHENTICATED with TOKEN_INVALID. For session tokens,
  // which somebody else has verified.
  absl::Status CheckAudience(const Claims& claims) const;

  // The time part of the check, for a credential that was verified before: OK, or UNAUTHENTICATED with TOKEN_EXPIRED or
  // TOKEN_INVALID (not valid yet).
  absl::Status CheckTimes(const Claims& claims, absl::Time now) const;

 private:
  explicit TokenVerifier(Options options);
  Options options_;
};

// Checks only the form and signature of a compact JWS with any payload (RFC 7515 section 5.2): header, key by `kid`,
// algorithm equal to the key's, no `crit`. The payload, or UNAUTHENTICATED with reason TOKEN_INVALID. For tools and
// test vectors.
absl::StatusOr<std::string> VerifySignatureOnly(absl::string_view token, const KeySet& keys);

}  // namespace watchword
