#include "server/ops/memory_keeper.h"

#include <malloc.h>
#include <pthread.h>

#include "watchword/base/resident_memory.h"

namespace watchword {

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
