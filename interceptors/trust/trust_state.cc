#include "watchword/trust/trust_state.h"

#include <algorithm>
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

void TrustState::NoteHeartbeat(absl::Duration age, absl::Time issuer_time) {
  const absl::Duration now = clock_.SinceBoot();
  const int64_t heard_at = absl::ToInt64Nanoseconds(now - age);
  if (heard_at > heard_at_nanos_.load(std::memory_order_relaxed)) {  // one thread at a time writes
    heard_at_nanos_.store(heard_at, std::memory_order_relaxed);
  }
  if (issuer_time == absl::InfinitePast()) return;
  issuer_booted_at_nanos_.store(absl::ToUnixNanos(issuer_time - now), std::memory_order_relaxed);
}

absl::Time TrustState::CredentialClock::Now() const {
  const absl::Time ours = trust_.clock_.Now();
  const int64_t booted_at = trust_.issuer_booted_at_nanos_.load(std::memory_order_relaxed);
  if (booted_at == kUnknown) return ours;
  return std::max(ours, absl::FromUnixNanos(booted_at) + trust_.clock_.SinceBoot());
}

void TrustState::NotePosition(uint64_t applied_seq, uint64_t head_seq) {
  applied_seq_.store(applied_seq, std::memory_order_relaxed);
  head_seq_.store(head_seq, std::memory_order_relaxed);
}

absl::Duration TrustState::staleness() const {
  const int64_t heard_at = heard_at_nanos_.load(std::memory_order_relaxed);
  if (heard_at == kUnknown) return absl::InfiniteDuration();
  return clock_.SinceBoot() - absl::Nanoseconds(heard_at);
}

}  // namespace watchword
