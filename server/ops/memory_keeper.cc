#include "server/ops/memory_keeper.h"

#include <malloc.h>
#include <pthread.h>
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

bool MemoryKeeper::GiveBack() {
  const size_t resident = ResidentBytes();
  // Code and stacks count as held for nothing, which is some megabytes and makes no difference.
  const struct mallinfo2 info = mallinfo2();
  const size_t used = info.uordblks + info.hblkhd;
  if (resident <= used + kTolerated || info.fordblks <= kTolerated) return false;
  malloc_trim(0);
  return true;
}

MemoryKeeper::MemoryKeeper() : thread_([this] { Run(); }) {}

MemoryKeeper::~MemoryKeeper() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
}

void MemoryKeeper::Run() {
  pthread_setname_np(pthread_self(), "memory keeper");
  while (true) {
    {
      MutexLock lock(mutex_);
      if (!stopping_) wake_.WaitFor(mutex_, kInterval);
      if (stopping_) return;
    }
    GiveBack();
  }
}

}  // namespace watchword
