#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "watchword/base/clock.h"
#include "watchword/base/mutex.h"
#include "watchword/token/jwk.h"
#include "watchword/trust/revocations.h"

namespace watchword {

// All that a verifier knows: the public keys, the revocations in force, how fresh this is, and what the auth service's
// clock shows. Filled by a FeedClient, or directly by the auth service itself; read on every call.
//
// Thread-safe.
class TrustState {
 public:
  // Borrows `clock`, which must outlive this.
  explicit TrustState(const Clock& clock) : clock_(clock) {}

  // Replaces the keys. Credentials of keys that are gone are refused from now on, also if they were cached.
  void SetKeys(KeySet keys);

  // The keys; empty before the first SetKeys. Never null.
  std::shared_ptr<const KeySet> keys() const;

  // Changes with every SetKeys: 0 before the first. Lets caches see cheaply that keys have changed.
  uint64_t keys_version() const { return keys_version_.load(std::memory_order_acquire); }

  RevocationSet& revocations() { return revocations_; }
  const RevocationSet& revocations() const { return revocations_; }

  const Clock& clock() const { return clock_; }

  // The clock to judge credentials by: ours, or the auth service's where ours is behind it. Who issues tokens decides
  // when they expire: a clock that was set back must not accept those that have.
  const Clock& credential_clock() const { return credential_clock_; }

  // Notes that the auth service has said everything it knew `age` ago, and what its clock shows now, if that is known.
  void NoteHeartbeat(absl::Duration age = absl::ZeroDuration(), absl::Time issuer_time = absl::InfinitePast());

  // Notes how far the revocation log has been applied, and how far it is known to go.
  void NotePosition(uint64_t applied_seq, uint64_t head_seq);
  uint64_t applied_seq() const { return applied_seq_.load(std::memory_order_relaxed); }
  uint64_t head_seq() const { return head_seq_.load(std::memory_order_relaxed); }

  // How long ago the auth service was last heard; InfiniteDuration before the first time. By the monotonic clock.
  absl::Duration staleness() const;

 private:
  class CredentialClock final : public Clock {
   public:
    explicit CredentialClock(const TrustState& trust) : trust_(trust) {}
    absl::Time Now() const override;
    absl::Duration SinceBoot() const override { return trust_.clock_.SinceBoot(); }

   private:
    const TrustState& trust_;
  };

  // Until the auth service's clock is known.
  static constexpr int64_t kUnknown = std::numeric_limits<int64_t>::min();

  const Clock& clock_;
  const CredentialClock credential_clock_{*this};
  mutable Mutex mutex_;
  std::shared_ptr<const KeySet> keys_ ABSL_GUARDED_BY(mutex_) = std::make_shared<const KeySet>();
  std::atomic<uint64_t> keys_version_{0};
  RevocationSet revocations_;
  std::atomic<int64_t> heard_at_nanos_{kUnknown};          // since boot
  std::atomic<int64_t> issuer_booted_at_nanos_{kUnknown};  // what its clock showed when we booted
  std::atomic<uint64_t> applied_seq_{0};
  std::atomic<uint64_t> head_seq_{0};
};

}  // namespace watchword
