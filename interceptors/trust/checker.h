#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/base/clock.h"
#include "watchword/base/sharded_cache.h"
#include "watchword/base/sharded_counter.h"
#include "watchword/token/credential.h"
#include "watchword/token/verifier.h"
#include "watchword/trust/session_directory.h"
#include "watchword/trust/trust_state.h"

namespace watchword {

// Decides whether a credential is good now. An access token: cache of verified credentials, else signature and claims;
// a session token: what the directory knows of it; then, always, time and revocation. Never blocks on anything but
// short locks that are not shared by all calls.
//
// Thread-safe.
class CredentialChecker {
 public:
  using Verdict = absl::StatusOr<std::shared_ptr<const VerifiedCredential>>;

  // Borrows `trust`, `clock` and `sessions`, which must outlive this. Without `sessions`, session tokens are refused.
  CredentialChecker(TokenVerifier verifier, const TrustState& trust, const Clock& clock, size_t cache_capacity = 65'536,
                    SessionDirectory* sessions = nullptr);

  // The verified credential, or
  // - UNAUTHENTICATED: TOKEN_INVALID, TOKEN_EXPIRED or TOKEN_REVOKED;
  // - UNAVAILABLE: TRUST_UNAVAILABLE, no keys are known yet, or it is a session token that must be looked up first.
  Verdict Check(absl::string_view credential) { return CheckNow(credential).value_or(MustBeLookedUp()); }

  // The same; std::nullopt for a session token that must be looked up first.
  std::optional<Verdict> CheckNow(absl::string_view credential);

  // Looks up a session token for which CheckNow says std::nullopt, then decides. `done` is called once, perhaps before
  // this returns: as Check's answer, or an error of SessionDirectory::LookUp.
  void LookUp(const std::string& credential, absl::AnyInvocable<void(Verdict)> done);

  // Whether a credential that was good is so still: its time, its key, revocation. OK, or UNAUTHENTICATED as above. For
  // calls that last.
  absl::Status Recheck(const VerifiedCredential& credential) const;

  // How often the credential had been verified before, and how often not.
  uint64_t cache_hits() const { return hits_.Value(); }
  uint64_t cache_misses() const { return misses_.Value(); }

 private:
  static Verdict MustBeLookedUp();
  std::optional<Verdict> CheckSessionToken(absl::string_view credential);
  // The rest of the check, for a session that is known.
  Verdict CheckSession(Verdict known) const;
  absl::Status CheckNotRevoked(const VerifiedCredential& credential) const;

  const TokenVerifier verifier_;
  const TrustState& trust_;
  const Clock& clock_;
  SessionDirectory* const sessions_;

  // Credentials whose signature was verified before, by the whole credential, never a hash of it.
  struct Verified {
    uint64_t keys_version;  // of the keys it was verified with: after a change it is verified again
    std::shared_ptr<const VerifiedCredential> credential;
  };
  ShardedCache<Verified> cache_;
  ShardedCounter hits_, misses_;
};

}  // namespace watchword
