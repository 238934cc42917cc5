#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <limits>
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
// With a bound on the wait it also looks ahead: from an exponentially weighted average of how long the work takes, work
// that would have to wait longer, or would end after its deadline, is refused when it comes. An answer that nobody
// waits for any more costs as much as one that is of use, so without this a flood leaves no useful work done at all. If
// a thread is idle the average is not asked: an executor that once was slow would otherwise never learn that it is not.
//
// Thread-safe.
class Executor {
 public:
  struct Options {
    std::string name;                                    // of the threads, at most 15 characters
    size_t threads = 1;                                  // at least 1
    size_t queue_capacity = 64;                          // waiting pieces of work, not counting those that run
    int nice = 0;                                        // added to the threads': 0 to 19; more than 0 yields to others
    size_t budget = std::numeric_limits<size_t>::max();  // what pieces of work that run at once may weigh together
    // In the queue, as expected when work comes; it may be a quarter more in the end. Infinite: nothing is expected or
    // refused.
    absl::Duration max_wait = absl::InfiniteDuration();
    // Told how long each piece of work took that ran; on the executor's threads.
    std::function<void(absl::Duration)> observe = {};
  };

  // Called exactly once, on a thread of the executor: with OK to do the work (CurrentDeadline() is its
  // deadline); or to only say that it was not done, with
  // DEADLINE_EXCEEDED, CANCELLED (the executor is stopping), or RESOURCE_EXHAUSTED (it has waited for too long, or
  // would end too late).
  using Work = absl::AnyInvocable<void(absl::Status)>;

  // Borrows `clock`, which must outlive this.
  explicit Executor(Options options, const Clock& clock = SystemClock());
  // Stops, if Stop was not called.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Queues `work`. RESOURCE_EXHAUSTED if the queue is full, or `work` would wait or take too long, with the time after
  // which the queue will have drained enough (RetryDelayOf); CANCELLED if the executor is stopping: then `work` is not
  // called at all. `deadline` is a time of day, as gRPC gives it; absl::InfiniteFuture() for none. `weight` counts
  // against the budget while `work` runs; more than the budget counts as all of it.
  [[nodiscard]] absl::Status Submit(absl::Time deadline, Work work, size_t weight = 0);

  // What Submit would answer now, without submitting anything: to refuse before other work is done in preparation.
  [[nodiscard]] absl::Status WouldAccept(absl::Time deadline) const;

  // Refuses new work, calls what is queued with CANCELLED, waits for what runs. Not from a thread of the executor.
  void Stop();

  // How many pieces of work wait.
  size_t queued() const;
  // How long a piece of work takes on average, lately; 0 before the first. Not measured without a bound on the wait.
  absl::Duration average() const;

 private:
  struct Item {
    absl::Time deadline;
    size_t weight = 0;
    absl::Duration queued_at;
    bool at_once = false;  // came when a thread was idle
    Work work;
  };

  absl::Status Admit(absl::Time deadline) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t Parallel() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration ExpectedWait() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool CanStart() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MayRun(const Item& item) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Measure(absl::Duration took, size_t weight) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run();
  bool RunNext();

  const Options options_;
  const Clock& clock_;
  mutable Mutex mutex_;
  CondVar wake_;
  std::deque<Item> queue_ ABSL_GUARDED_BY(mutex_);
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t running_weight_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration average_ ABSL_GUARDED_BY(mutex_);
  double average_weight_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace watchword
