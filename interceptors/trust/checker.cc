#include "watchword/trust/checker.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "watchword/base/reason.h"
#include "watchword/token/opaque_token.h"
#include "watchword/token/reasons.h"

namespace watchword {

CredentialChecker::CredentialChecker(TokenVerifier verifier, const TrustState& trust, const Clock& clock,
                                     size_t cache_capacity, SessionDirectory* sessions)
    : verifier_(std::move(verifier)), trust_(trust), clock_(clock), sessions_(sessions), cache_(cache_capacity) {}

std::optional<CredentialChecker::Verdict> CredentialChecker::CheckNow(absl::string_view credential) {
  const absl::Time now = clock_.Now();
  // Read before the keys: if they change meanwhile, what is put below is a miss for everybody who knows that.
  const uint64_t keys_version = trust_.keys_version();
  if (keys_version == 0) {
    return ErrorWithReason(absl::StatusCode::kUnavailable, kTrustUnavailable, "no keys from the auth service yet");
  }
  if (absl::StartsWith(credential, kSessionTokenPrefix)) return CheckSessionToken(credential);
  std::shared_ptr<const VerifiedCredential> verified;
  std::optional<Verified> found = cache_.Find(credential);
  if (found.has_value() && found->keys_version == keys_version) {
    hits_.Add();
    verified = std::move(found->credential);
    if (auto status = verifier_.CheckTimes(verified->claims(), now); !status.ok()) return status;
  } else {
    misses_.Add();
    auto fresh = verifier_.Verify(credential, *trust_.keys(), now);
    if (!fresh.ok()) return fresh.status();
    verified = std::make_shared<const VerifiedCredential>(*std::move(fresh));
    cache_.Put(credential, {keys_version, verified});
  }
  if (auto status = CheckNotRevoked(*verified); !status.ok()) return status;
  return verified;
}

std::optional<CredentialChecker::Verdict> CredentialChecker::CheckSessionToken(absl::string_view credential) {
  if (sessions_ == nullptr) {
    misses_.Add();
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenInvalid,
                           "this service takes access tokens only, not session tokens");
  }
  std::optional<Verdict> known = sessions_->Find(credential);
  if (!known.has_value()) {
    misses_.Add();
    return std::nullopt;
  }
  hits_.Add();
  return CheckSession(*std::move(known));
}

void CredentialChecker::LookUp(const std::string& credential, absl::AnyInvocable<void(Verdict)> done) {
  // The revocation may have come before the answer.
  sessions_->LookUp(credential, [this, done = std::move(done)](Verdict known) mutable { done(CheckSession(known)); });
}

CredentialChecker::Verdict CredentialChecker::CheckSession(Verdict known) const {
  if (!known.ok()) return known;
  if (auto status = verifier_.CheckAudience((*known)->claims()); !status.ok()) return status;
  if (auto status = CheckNotRevoked(**known); !status.ok()) return status;
  return known;
}

CredentialChecker::Verdict CredentialChecker::MustBeLookedUp() {
  return ErrorWithReason(absl::StatusCode::kUnavailable, kTrustUnavailable,
                         "the session token has to be looked up again; try again");
}

absl::Status CredentialChecker::Recheck(const VerifiedCredential& credential) const {
  const absl::Time now = clock_.Now();
  if (credential.key_id().empty()) {  // a session token's: nothing is signed, and its end is the auth service's word
    if (now < credential.claims().expires_at) return CheckNotRevoked(credential);
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenExpired, "the session is over");
  }
  if (auto status = verifier_.CheckTimes(credential.claims(), now); !status.ok()) return status;
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
