#pragma once

#include "absl/time/time.h"
#include "watchword/base/clock.h"
#include "watchword/base/mutex.h"

namespace watchword {

// A clock that moves only when told to. Thread-safe.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time now = absl::FromUnixSeconds(1'800'000'000)) : now_(now) {}

  absl::Time Now() const override {
    MutexLock lock(mutex_);
    return now_;
  }
  absl::Duration SinceBoot() const override {
    MutexLock lock(mutex_);
    return since_boot_;
  }

  // Lets time pass.
  void Advance(absl::Duration step) {
    MutexLock lock(mutex_);
    now_ += step;
    since_boot_ += step;
  }

  // Sets the time of day, as an administrator or NTP would; no time passes.
  void SetNow(absl::Time now) {
    MutexLock lock(mutex_);
    now_ = now;
  }

 private:
  mutable Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
  absl::Duration since_boot_ ABSL_GUARDED_BY(mutex_) = absl::Hours(1);
};

}  // namespace watchword
