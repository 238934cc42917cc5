#pragma once

#include <cstddef>
#include <cstdint>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "watchword/base/mutex.h"

namespace watchword {

// Gives memory that malloc holds and nobody uses back to the system. glibc keeps what is freed below what is still in
// use, in an arena for each thread: after a burst of calls that is most of the process, and nothing but malloc_trim
// ever returns it. A thread looks every kInterval and trims if more than kTolerated is held for nothing.
//
// Thread-safe.
class MemoryKeeper {
 public:
  static constexpr absl::Duration kInterval = absl::Milliseconds(500);
  static constexpr size_t kTolerated = size_t{8} << 20;

  MemoryKeeper();
  ~MemoryKeeper();
  MemoryKeeper(const MemoryKeeper&) = delete;
  MemoryKeeper& operator=(const MemoryKeeper&) = delete;

  // Looks once, now; whether it trimmed.
  static bool GiveBack();

 private:
  void Run();

  Mutex mutex_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace watchword
