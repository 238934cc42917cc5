#include "watchword/base/resident_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>

namespace watchword {

size_t ResidentBytes() {
  // Kept open, so that it can be read when there is no file left as well.
  static const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  std::array<char, 256> text{};
  size_t total_pages = 0;
  size_t resident_pages = 0;
  if (pread(file, text.data(), text.size() - 1, 0) <= 0) return 0;
  if (std::sscanf(text.data(), "%zu %zu", &total_pages, &resident_pages) != 2) return 0;
  return resident_pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace watchword
