#include "watchword/trust/trust_state.h"

#include <utility>

namespace watchword {

void TrustState::SetKeys(KeySet keys) {
  auto shared = std::make_shared<const KeySet>(std::move(keys));
  MutexLock lock(mutex_);
  keys_.swap(shared);
  // After the keys: who sees the new version gets the new keys.
  keys_version_.fetch_add(1, std::memory_order_release);
}

std::shared_ptr<const KeySet> TrustState::keys() const {
  MutexLock lock(mutex_);
  return keys_;
}

void TrustState::NoteHeartbeat() {
  heard_at_nanos_.store(absl::ToInt64Nanoseconds(clock_.SinceBoot()), std::memory_order_relaxed);
}

void TrustState::NotePosition(uint64_t applied_seq, uint64_t head_seq) {
  applied_seq_.store(applied_seq, std::memory_order_relaxed);
  head_seq_.store(head_seq, std::memory_order_relaxed);
}

absl::Duration TrustState::staleness() const {
  const int64_t heard_at = heard_at_nanos_.load(std::memory_order_relaxed);
  if (heard_at < 0) return absl::InfiniteDuration();
  return clock_.SinceBoot() - absl::Nanoseconds(heard_at);
}

}  // namespace watchword
