#include "watchword/base/executor.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "watchword/base/deadline.h"
#include "watchword/base/retry.h"
#include "watchword/base/scheduling.h"

namespace watchword {
namespace {

// What the newest measurement counts in the averages. Small enough to even out the odd slow one, large enough to follow
// a change within some tens.
constexpr double kNewest = 0.1;

// How much longer than expected the queue may turn out to be. What is accepted must leave that much time before its
// deadline, and may wait that much longer than max_wait: at exactly the average half of it would be refused late, when
// it has waited for nothing.
constexpr double kCaution = 1.25;

// The longest that there is: whoever wakes up beside threads that are to yield need not wait for the end of one.
constexpr absl::Duration kSliceOfTheNice = absl::Milliseconds(100);

}  // namespace

Executor::Executor(Options options, const Clock& clock) : options_(std::move(options)), clock_(clock) {
  for (size_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Run(); });
}

Executor::~Executor() { Stop(); }

absl::Status Executor::Submit(absl::Time deadline, Work work, size_t weight) {
  {
    MutexLock lock(mutex_);
    if (auto status = Admit(deadline); !status.ok()) return status;
    const bool at_once = IsIdle();
    queue_.push_back({.deadline = deadline,
                      .weight = std::min(weight, options_.budget),
                      .queued_at = clock_.SinceBoot(),
                      .at_once = at_once,
                      .work = std::move(work)});
  }
  wake_.NotifyOne();
  return absl::OkStatus();
}

absl::Status Executor::WouldAccept(absl::Time deadline) const {
  MutexLock lock(mutex_);
  return Admit(deadline);
}

void Executor::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

size_t Executor::queued() const {
  MutexLock lock(mutex_);
  return queue_.size();
}

absl::Duration Executor::average() const {
  MutexLock lock(mutex_);
  return average_;
}

absl::Status Executor::Admit(absl::Time deadline) const {
  if (stopping_) return absl::CancelledError(absl::StrCat("the ", options_.name, " executor is stopping"));
  const absl::Duration wait = ExpectedWait();
  const bool knows = average_ > absl::ZeroDuration();
  // Until half of the queue has drained at least: the place that is free next will be taken by somebody else.
  const auto refuse = [&](absl::string_view why, absl::Duration delay) {
    const absl::Status refused = absl::ResourceExhaustedError(absl::StrCat("the ", options_.name, " ", why));
    return knows ? WithRetryDelay(refused, std::max(delay, wait / 2)) : refused;
  };
  if (queue_.size() >= options_.queue_capacity) return refuse("queue is full", wait / 2);
  if (options_.max_wait == absl::InfiniteDuration() || IsIdle()) return absl::OkStatus();
  if (wait > options_.max_wait) return refuse("queue is too long", wait - options_.max_wait);
  const absl::Duration late = clock_.Now() + kCaution * (wait + average_) - deadline;
  if (late <= absl::ZeroDuration()) return absl::OkStatus();
  // If even an empty queue is too long for the deadline, nothing but an idle thread helps.
  return refuse("work would end too late", std::min(late / kCaution, wait + average_));
}

bool Executor::IsIdle() const { return queue_.empty() && running_ < Parallel(); }

// How many pieces of work run at once when there is enough of it.
size_t Executor::Parallel() const {
  if (average_weight_ <= 0) return options_.threads;
  const double fitting = static_cast<double>(options_.budget) / average_weight_;
  return std::clamp<size_t>(fitting < 1 ? 1 : static_cast<size_t>(std::min(fitting, 1e6)), 1, options_.threads);
}

// Until the next piece of work to come would start, all threads being busy: those that run are half done on average.
absl::Duration Executor::ExpectedWait() const {
  const double ahead = static_cast<double>(queue_.size()) + 0.5 * static_cast<double>(running_);
  return average_ * (ahead / static_cast<double>(Parallel()));
}

// In the order it came, also if something lighter behind it would fit: what is heavy must not wait for ever.
bool Executor::CanStart() const {
  if (queue_.empty()) return false;
  return stopping_ || running_ == 0 || queue_.front().weight <= options_.budget - running_weight_;
}

absl::Status Executor::MayRun(const Item& item) const {
  if (stopping_) return absl::CancelledError("the server is stopping");
  const absl::Time now = clock_.Now();
  if (item.deadline < now) {
    return absl::DeadlineExceededError("the deadline passed while the work was queued");
  }
  if (options_.max_wait == absl::InfiniteDuration() || item.at_once) return absl::OkStatus();
  if (clock_.SinceBoot() - item.queued_at > kCaution * options_.max_wait) {
    return WithRetryDelay(absl::ResourceExhaustedError("the work waited for too long"), ExpectedWait());
  }
  if (now + average_ > item.deadline) {
    return WithRetryDelay(absl::ResourceExhaustedError("the work would end too late"), ExpectedWait());
  }
  return absl::OkStatus();
}

void Executor::Measure(absl::Duration took, size_t weight) {
  const auto heaviness = static_cast<double>(weight);
  const bool first = average_ == absl::ZeroDuration();
  average_ = first ? took : (1 - kNewest) * average_ + kNewest * took;
  average_weight_ = first ? heaviness : (1 - kNewest) * average_weight_ + kNewest * heaviness;
}

void Executor::Run() {
  pthread_setname_np(pthread_self(), options_.name.substr(0, 15).c_str());
  if (options_.nice != 0) AdjustScheduling(options_.nice, kSliceOfTheNice);
  while (RunNext()) {
  }
}

// Waits for a piece of work and does it, or says why not. False when there will be no more.
bool Executor::RunNext() {
  Item item;
  absl::Status status;
  absl::Duration began;
  {
    MutexLock lock(mutex_);
    while (!CanStart() && !(stopping_ && queue_.empty())) wake_.Wait(mutex_);
    if (queue_.empty()) return false;
    item = std::move(queue_.front());
    queue_.pop_front();
    status = MayRun(item);
    if (!status.ok()) item.weight = 0;
    ++running_;
    running_weight_ += item.weight;
    began = clock_.SinceBoot();
  }
  const bool runs = status.ok();
  {
    const ScopedDeadline deadline(item.deadline);
    item.work(std::move(status));
  }
  const absl::Duration took = clock_.SinceBoot() - began;
  if (runs && options_.observe) options_.observe(took);
  item.work = nullptr;  // whatever it holds, before the next starts
  {
    MutexLock lock(mutex_);
    --running_;
    running_weight_ -= item.weight;
    if (runs && options_.max_wait < absl::InfiniteDuration()) Measure(took, item.weight);
  }
  if (item.weight > 0) wake_.NotifyAll();  // what did not fit may fit now
  return true;
}

}  // namespace watchword
