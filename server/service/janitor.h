#pragma once

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/service/environment.h"
#include "server/service/session_cache.h"
#include "watchword/base/mutex.h"

namespace watchword {

// Keeps house on a thread of its own: writes back when session tokens were used, and deletes what has expired, in small
// batches with pauses between them, longer ones when the store is slow, so that no caller feels it. Of the servers that
// share a store, one at a time deletes.
//
// Thread-safe.
class Janitor {
 public:
  // Starts. Borrows all, which must outlive this.
  Janitor(const Environment& environment, SessionCache& sessions);
  // Writes back once more, then stops.
  ~Janitor();
  Janitor(const Janitor&) = delete;
  Janitor& operator=(const Janitor&) = delete;

  // One round, now. For tests.
  void CleanUp();

 private:
  void Run();
  void WriteBackActivity();
  void DeleteExpired(absl::string_view what, absl::AnyInvocable<absl::StatusOr<size_t>()> delete_batch);
  // Whether it is this server that deletes. Asked for again and again, as the right to it expires.
  bool MayDelete();
  // Waits; whether to go on.
  bool Pause(absl::Duration duration);

  const Environment environment_;
  SessionCache& sessions_;
  absl::Duration may_delete_until_ = -absl::InfiniteDuration();  // used by one thread at a time
  Mutex mutex_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace watchword
