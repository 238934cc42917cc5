#include "watchword/base/resident_memory.h"

#include <unistd.h>

#include <cstdio>

namespace watchword {

size_t ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  size_t total_pages = 0;
  size_t resident_pages = 0;
  const int read = std::fscanf(file, "%zu %zu", &total_pages, &resident_pages);
  std::fclose(file);
  return read == 2 ? resident_pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace watchword
