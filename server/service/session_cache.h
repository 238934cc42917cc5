#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/store/store.h"
#include "watchword/base/mutex.h"
#include "watchword/base/sharded_cache.h"

namespace watchword {

// Sessions of the session-token kind that were looked up before, by the digest of their token, so that each is read
// from the store once; and when they were last used, which is written back in batches. Whether a session was revoked
// since is not known here: ask the trust state.
//
// Thread-safe.
class SessionCache {
 public:
  // A session and when its token was last used.
  class Entry {
   public:
    Entry(SessionView view, absl::Duration idle_timeout);

    const SessionView& view() const { return view_; }

    // When the session ends if it is not used before.
    absl::Time idle_expires_at() const;

    // Notes that its token was used at `now`.
    void NoteUse(absl::Time now);

    // The use that is not yet in the store, if any; then counts as stored.
    std::optional<SessionStore::Activity> TakeActivity();

   private:
    const SessionView view_;
    const absl::Duration idle_timeout_;
    std::atomic<int64_t> last_used_micros_;
    std::atomic<int64_t> stored_micros_;
  };

  // Holds at most about `capacity` sessions.
  SessionCache(size_t capacity, absl::Duration idle_timeout) : idle_timeout_(idle_timeout), entries_(capacity) {}

  // The session with this token digest, or nullptr.
  std::shared_ptr<Entry> Find(absl::string_view digest) { return entries_.Find(digest).value_or(nullptr); }

  // Puts a session that was just read from the store.
  std::shared_ptr<Entry> Put(SessionView view);

  // The uses that the store does not know yet; those returned count as stored.
  std::vector<SessionStore::Activity> TakeActivities();

 private:
  const absl::Duration idle_timeout_;
  ShardedCache<std::shared_ptr<Entry>> entries_;
  Mutex mutex_;
  std::vector<SessionStore::Activity> evicted_ ABSL_GUARDED_BY(mutex_);  // uses of entries that made room
};

}  // namespace watchword
