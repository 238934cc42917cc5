#include "server/service/session_cache.h"

#include <algorithm>
#include <utility>

namespace watchword {

SessionCache::Entry::Entry(SessionView view, absl::Duration idle_timeout)
    : view_(std::move(view)),
      idle_timeout_(idle_timeout),
      last_used_micros_(absl::ToUnixMicros(view_.session.last_used_at)),
      stored_micros_(last_used_micros_.load()) {}

absl::Time SessionCache::Entry::idle_expires_at() const {
  const absl::Time by_use = absl::FromUnixMicros(last_used_micros_.load(std::memory_order_relaxed)) + idle_timeout_;
  return std::min(std::max(by_use, view_.session.idle_expires_at), view_.session.expires_at);
}

void SessionCache::Entry::NoteUse(absl::Time now) {
  const int64_t micros = absl::ToUnixMicros(now);
  int64_t last = last_used_micros_.load(std::memory_order_relaxed);
  while (last < micros && !last_used_micros_.compare_exchange_weak(last, micros, std::memory_order_relaxed)) {
  }
}

std::optional<SessionStore::Activity> SessionCache::Entry::TakeActivity() {
  const int64_t last = last_used_micros_.load(std::memory_order_relaxed);
  if (stored_micros_.exchange(last, std::memory_order_relaxed) == last) return std::nullopt;
  return SessionStore::Activity{
      .id = view_.session.id, .last_used_at = absl::FromUnixMicros(last), .idle_expires_at = idle_expires_at()};
}

std::shared_ptr<SessionCache::Entry> SessionCache::Put(SessionView view) {
  auto entry = std::make_shared<Entry>(std::move(view), idle_timeout_);
  const auto evicted = entries_.Put(entry->view().session.token_digest, entry);
  if (evicted.has_value()) {
    if (const auto activity = (*evicted)->TakeActivity()) {
      MutexLock lock(mutex_);
      evicted_.push_back(*activity);
    }
  }
  return entry;
}

std::vector<SessionStore::Activity> SessionCache::TakeActivities() {
  std::vector<SessionStore::Activity> activities;
  {
    MutexLock lock(mutex_);
    activities.swap(evicted_);
  }
  entries_.ForEach([&activities](const std::shared_ptr<Entry>& entry) {
    if (const auto activity = entry->TakeActivity()) activities.push_back(*activity);
  });
  return activities;
}

}  // namespace watchword
