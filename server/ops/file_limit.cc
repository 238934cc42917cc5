#include "server/ops/file_limit.h"

#include <sys/resource.h>

#include <filesystem>
#include <iterator>
#include <system_error>

namespace watchword {

void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);  // always allowed; process_max_fds shows what it is
}

size_t MaxOpenFiles() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

size_t OpenFiles() {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (error) return 0;
  return static_cast<size_t>(std::distance(begin(files), end(files))) - 1;  // without the one that reads the folder
}

}  // namespace watchword
