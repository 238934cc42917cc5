#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "watchword/base/clock.h"
#include "watchword/base/mutex.h"

namespace watchword {

// Runs work on threads of its own, in the order it came. The queue is bounded and work whose deadline has passed is not
// done: under overload it refuses at once instead of making everybody wait.
//
// Thread-safe.
class Executor {
 public:
  struct Options {
    std::string name;            // of the threads, at most 15 characters
    size_t threads = 1;          // at least 1
    size_t queue_capacity = 64;  // waiting pieces of work, not counting those that run
    int nice = 0;                // added to the threads' nice value: 0 to 19, higher yields to others
  };

  // Called exactly once, on a thread of the executor: with OK to do the work (CurrentDeadline() is its deadline), or
  // with DEADLINE_EXCEEDED or CANCELLED (the executor is stopping) to only say that it was not done.
  using Work = absl::AnyInvocable<void(absl::Status)>;

  // Borrows `clock`, which must outlive this.
  explicit Executor(Options options, const Clock& clock = SystemClock());
  // Stops, if Stop was not called.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Queues `work`. RESOURCE_EXHAUSTED if the queue is full or CANCELLED if the executor is stopping: then `work` is not
  // called at all. `deadline` is a time of day, as gRPC gives it; absl::InfiniteFuture() for none.
  [[nodiscard]] absl::Status Submit(absl::Time deadline, Work work);

  // Refuses new work, calls what is queued with CANCELLED, waits for what runs. Not from a thread of the executor.
  void Stop();

  // How many pieces of work wait.
  size_t queued() const;

 private:
  struct Item {
    absl::Time deadline;
    Work work;
  };

  void Run();

  const Options options_;
  const Clock& clock_;
  mutable Mutex mutex_;
  CondVar wake_;
  std::deque<Item> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace watchword
