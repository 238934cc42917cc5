#include "watchword/client/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "watchword/base/clock.h"

namespace watchword {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(10);  // flock has no time-out of its own

}  // namespace

absl::StatusOr<FileLock> FileLock::Acquire(const std::string& path, absl::Duration timeout) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  FileLock lock(descriptor);
  const absl::Duration give_up = SystemClock().SinceBoot() + timeout;
  while (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return absl::ErrnoToStatus(errno, absl::StrCat("cannot lock ", path));
    if (SystemClock().SinceBoot() >= give_up) {
      return absl::DeadlineExceededError(
          absl::StrCat("another process has held the lock ", path, " for ", absl::FormatDuration(timeout)));
    }
    absl::SleepFor(kPollInterval);
  }
  return lock;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace watchword
