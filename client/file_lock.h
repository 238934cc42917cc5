#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace watchword {

// Holds an advisory lock (flock) on a file: of all holders on this machine, threads and processes, one at a time. Freed
// when destroyed, and by the kernel when the process ends in whatever way.
//
// Thread-compatible.
class FileLock {
 public:
  // Locks the file, which is made with mode 0600 if it is not there and never removed (a lock on a file that somebody
  // else can replace excludes nobody). DEADLINE_EXCEEDED if another holds it for all of `timeout`.
  static absl::StatusOr<FileLock> Acquire(const std::string& path, absl::Duration timeout);

  ~FileLock();
  FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace watchword
