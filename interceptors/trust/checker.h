#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/base/clock.h"
#include "watchword/base/sharded_counter.h"
#include "watchword/base/sharded_lru_cache.h"
#include "watchword/token/credential.h"
#include "watchword/token/verifier.h"
#include "watchword/trust/trust_state.h"

namespace watchword {

// Decides whether an access token is good now: cache of verified credentials, else signature and claims; then, also
// after a cache hit, time and revocation. Never blocks on anything but short locks that are not shared by all calls.
//
// Thread-safe.
class CredentialChecker {
 public:
  // Borrows `trust` and `clock`, which must outlive this.
  CredentialChecker(TokenVerifier verifier, const TrustState& trust, const Clock& clock,
                    size_t cache_capacity = 65'536);

  // The verified credential, or
  // - UNAUTHENTICATED: TOKEN_INVALID, TOKEN_EXPIRED or TOKEN_REVOKED;
  // - UNAVAILABLE: TRUST_UNAVAILABLE, no keys are known yet.
  absl::StatusOr<std::shared_ptr<const VerifiedCredential>> Check(absl::string_view credential);

  // Whether a credential that was good is so still: its time, its key, revocation. OK, or UNAUTHENTICATED as above. For
  // calls that last.
  absl::Status Recheck(const VerifiedCredential& credential) const;

  // How often the credential had been verified before, and how often not.
  uint64_t cache_hits() const { return hits_.Value(); }
  uint64_t cache_misses() const { return misses_.Value(); }

 private:
  absl::Status CheckNotRevoked(const VerifiedCredential& credential) const;

  const TokenVerifier verifier_;
  const TrustState& trust_;
  const Clock& clock_;

  // Credentials whose signature was verified before, by the whole credential, never a hash of it.
  struct Verified {
    uint64_t keys_version;  // of the keys it was verified with: after a change it is verified again
    std::shared_ptr<const VerifiedCredential> credential;
  };
  ShardedLruCache<Verified> cache_;
  ShardedCounter hits_, misses_;
};

}  // namespace watchword
