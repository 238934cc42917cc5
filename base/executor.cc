#include "watchword/base/executor.h"

#include <pthread.h>
#include <sys/resource.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "watchword/base/deadline.h"

namespace watchword {

Executor::Executor(Options options, const Clock& clock) : options_(std::move(options)), clock_(clock) {
  for (size_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Run(); });
}

Executor::~Executor() { Stop(); }

absl::Status Executor::Submit(absl::Time deadline, Work work) {
  {
    MutexLock lock(mutex_);
    if (stopping_) return absl::CancelledError(absl::StrCat("the ", options_.name, " executor is stopping"));
    if (queue_.size() >= options_.queue_capacity) {
      return absl::ResourceExhaustedError(absl::StrCat("the ", options_.name, " queue is full"));
    }
    queue_.push_back({deadline, std::move(work)});
  }
  wake_.NotifyOne();
  return absl::OkStatus();
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

void Executor::Run() {
  pthread_setname_np(pthread_self(), options_.name.substr(0, 15).c_str());
  if (options_.nice != 0) {  // on Linux, both are about this thread only
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + options_.nice);
  }
  while (true) {
    Item item;
    bool stopping = false;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) wake_.Wait(mutex_);
      if (queue_.empty()) return;
      item = std::move(queue_.front());
      queue_.pop_front();
      stopping = stopping_;
    }
    if (stopping) {
      item.work(absl::CancelledError("the server is stopping"));
    } else if (item.deadline < clock_.Now()) {
      item.work(absl::DeadlineExceededError("the deadline passed while the work was queued"));
    } else {
      const ScopedDeadline deadline(item.deadline);
      item.work(absl::OkStatus());
    }
  }
}

}  // namespace watchword
