#include "watchword/trust/checker.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "watchword/base/reason.h"
#include "watchword/token/opaque_token.h"
#include "watchword/token/reasons.h"

namespace watchword {

CredentialChecker::CredentialChecker(TokenVerifier verifier, const TrustState& trust, const Clock& clock,
                                     size_t cache_capacity)
    : verifier_(std::move(verifier)), trust_(trust), clock_(clock), cache_(cache_capacity) {}

absl::StatusOr<std::shared_ptr<const VerifiedCredential>> CredentialChecker::Check(absl::string_view credential) {
  const absl::Time now = clock_.Now();
  // Read before the keys: if they change meanwhile, what is put below is a miss for everybody who knows that.
  const uint64_t keys_version = trust_.keys_version();
  if (keys_version == 0) {
    return ErrorWithReason(absl::StatusCode::kUnavailable, kTrustUnavailable, "no keys from the auth service yet");
  }
  std::shared_ptr<const VerifiedCredential> verified;
  std::optional<Verified> found = cache_.Find(credential);
  if (found.has_value() && found->keys_version == keys_version) {
    hits_.Add();
    verified = std::move(found->credential);
    if (auto status = verifier_.CheckTimes(verified->claims(), now); !status.ok()) return status;
  } else {
    misses_.Add();
    if (absl::StartsWith(credential, kSessionTokenPrefix)) {
      return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenInvalid,
                             "this service takes access tokens only, not session tokens");
    }
    auto fresh = verifier_.Verify(credential, *trust_.keys(), now);
    if (!fresh.ok()) return fresh.status();
    verified = std::make_shared<const VerifiedCredential>(*std::move(fresh));
    cache_.Put(credential, {keys_version, verified});
  }
  if (auto status = CheckNotRevoked(*verified); !status.ok()) return status;
  return verified;
}

absl::Status CredentialChecker::Recheck(const VerifiedCredential& credential) const {
  if (auto status = verifier_.CheckTimes(credential.claims(), clock_.Now()); !status.ok()) return status;
  if (trust_.keys()->Find(credential.key_id()) == nullptr) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenInvalid, "its key is no longer trusted");
  }
  return CheckNotRevoked(credential);
}

absl::Status CredentialChecker::CheckNotRevoked(const VerifiedCredential& credential) const {
  if (!trust_.revocations().IsRevoked(credential)) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenRevoked, "the session has been ended");
}

}  // namespace watchword
