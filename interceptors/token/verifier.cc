#include "watchword/token/verifier.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "watchword/base/reason.h"
#include "watchword/token/claims.h"
#include "watchword/token/jws.h"
#include "watchword/token/reasons.h"

namespace watchword {
namespace {

constexpr absl::Duration kMaxLeeway = absl::Seconds(120);

bool Contains(const std::vector<std::string>& texts, absl::string_view wanted) {
  return std::find(texts.begin(), texts.end(), wanted) != texts.end();
}

absl::Status CheckBegun(const Claims& claims, absl::Time now, absl::Duration leeway) {
  if (claims.issued_at > now + leeway) return TokenInvalid("issued in the future");
  if (claims.not_before > now + leeway) return TokenInvalid("not valid yet");
  return absl::OkStatus();
}

absl::Status CheckNotExpired(const Claims& claims, absl::Time now, absl::Duration leeway) {
  if (now < claims.expires_at + leeway) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenExpired, "get a new one");
}

bool IsForUs(const Claims& claims, const TokenVerifier::Options& options) {
  return options.any_audience || std::any_of(options.audiences.begin(), options.audiences.end(),
                                             [&](const std::string& each) { return Contains(claims.audiences, each); });
}

absl::Status CheckMeantForUs(const Claims& claims, const TokenVerifier::Options& options) {
  if (!options.any_issuer && claims.issuer != options.issuer) return TokenInvalid("of another issuer");
  if (!IsForUs(claims, options)) return TokenInvalid("for another audience");
  const absl::Duration lifetime = claims.expires_at - claims.issued_at;
  if (lifetime <= absl::ZeroDuration() || lifetime > options.max_lifetime) {
    return TokenInvalid("its lifetime is not within the limit");
  }
  return absl::OkStatus();
}

// Everything but expiry.
absl::StatusOr<VerifiedCredential> VerifyWhateverItsAge(const TokenVerifier::Options& options, absl::string_view token,
                                                        const KeySet& keys, absl::Time now) {
  absl::StatusOr<VerifiedJws> jws = VerifyJws(token, TokenType::kAccessToken, keys);
  if (!jws.ok()) return jws.status();
  absl::StatusOr<Claims> claims = ParseClaims(jws->payload);
  if (!claims.ok()) return claims.status();
  if (const absl::Status status = CheckMeantForUs(*claims, options); !status.ok()) return status;
  if (const absl::Status status = CheckBegun(*claims, now, options.leeway); !status.ok()) return status;
  return VerifiedCredential::AssumeVerified(*std::move(claims), std::move(jws->key_id));
}

}  // namespace

TokenVerifier::TokenVerifier(Options options) : options_(std::move(options)) {}

absl::StatusOr<TokenVerifier> TokenVerifier::Create(Options options) {
  if (options.issuer.empty() && !options.any_issuer) return absl::InvalidArgumentError("set the issuer to accept");
  if (options.audiences.empty() && !options.any_audience) {
    return absl::InvalidArgumentError("set at least one audience to accept");
  }
  if (Contains(options.audiences, "")) return absl::InvalidArgumentError("an audience to accept is empty");
  if (options.leeway < absl::ZeroDuration() || options.leeway > kMaxLeeway) {
    return absl::InvalidArgumentError("set the leeway to between 0 and 120 s");
  }
  if (options.max_lifetime <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("set the longest lifetime to accept to more than 0");
  }
  return TokenVerifier(std::move(options));
}

absl::StatusOr<VerifiedCredential> TokenVerifier::Verify(absl::string_view token, const KeySet& keys,
                                                         absl::Time now) const {
  absl::StatusOr<VerifiedCredential> credential = VerifyWhateverItsAge(options_, token, keys, now);
  if (!credential.ok()) return credential;
  if (const absl::Status status = CheckNotExpired(credential->claims(), now, options_.leeway); !status.ok()) {
    return status;
  }
  return credential;
}

absl::StatusOr<VerifiedCredential> TokenVerifier::VerifyEvenIfExpired(absl::string_view token, const KeySet& keys,
                                                                      absl::Time now) const {
  return VerifyWhateverItsAge(options_, token, keys, now);
}

absl::Status TokenVerifier::CheckAudience(const Claims& claims) const {
  return IsForUs(claims, options_) ? absl::OkStatus() : TokenInvalid("for another audience");
}

absl::Status TokenVerifier::CheckTimes(const Claims& claims, absl::Time now) const {
  if (const absl::Status status = CheckBegun(claims, now, options_.leeway); !status.ok()) return status;
  return CheckNotExpired(claims, now, options_.leeway);
}

absl::StatusOr<std::string> VerifySignatureOnly(absl::string_view token, const KeySet& keys) {
  absl::StatusOr<VerifiedJws> jws = VerifyJws(token, TokenType::kAny, keys);
  if (!jws.ok()) return jws.status();
  return std::move(jws->payload);
}

}  // namespace watchword
