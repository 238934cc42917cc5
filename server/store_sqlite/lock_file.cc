#include "server/store_sqlite/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace watchword {

absl::StatusOr<LockFile> LockFile::Acquire(const std::string& path) {
  LockFile file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.descriptor_ < 0) {
    return absl::FailedPreconditionError(absl::ErrnoToStatus(errno, absl::StrCat("cannot create ", path)).message());
  }
  if (flock(file.descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return absl::FailedPreconditionError(absl::ErrnoToStatus(errno, absl::StrCat("cannot lock ", path)).message());
    }
    return absl::FailedPreconditionError(
        absl::StrCat("another watchwordd has the lock ", path, "; stop it, or use another database"));
  }
  return file;
}

LockFile::~LockFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace watchword
