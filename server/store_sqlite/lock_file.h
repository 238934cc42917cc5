#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace watchword {

// Keeps everybody else away from a database: an flock(2) on a file beside it, held until this is destroyed or the
// process ends, however it ends. It also holds between two stores of one process. The file itself stays, for removing
// it would let two processes each hold a lock on a file of the same name. Thread-compatible.
class LockFile {
 public:
  // Makes the file with mode 0600 if it is not there. FAILED_PRECONDITION if another has the lock or the file cannot be
  // made; the message names `path`.
  static absl::StatusOr<LockFile> Acquire(const std::string& path);

  ~LockFile();
  LockFile(LockFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

 private:
  explicit LockFile(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace watchword
