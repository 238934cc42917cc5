#include "watchword/base/scheduling.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace watchword {
namespace {

constexpr pid_t kThisThread = 0;

// sched_attr of sched_setattr(2) in its first version: glibc 2.36 has none, and the kernel's header contradicts
// glibc's.
struct Attributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime;  // nanoseconds; of SCHED_OTHER, the slice
  uint64_t deadline;
  uint64_t period;
};
static_assert(sizeof(Attributes) == 48);

// All zero, which is SCHED_OTHER, if the system does not tell.
Attributes CurrentAttributes() {
  Attributes attributes{};
  syscall(SYS_sched_getattr, kThisThread, &attributes, sizeof attributes, 0);
  return attributes;
}

}  // namespace

Scheduling CurrentScheduling() {
  const Attributes attributes = CurrentAttributes();
  return {.nice = attributes.nice, .slice = absl::Nanoseconds(static_cast<int64_t>(attributes.runtime))};
}

void AdjustScheduling(int nice, absl::Duration slice) {
  Attributes attributes = CurrentAttributes();
  if (attributes.policy != SCHED_OTHER && attributes.policy != SCHED_BATCH) return;
  attributes.size = sizeof attributes;
  attributes.nice = std::min(attributes.nice + nice, 19);
  attributes.runtime = static_cast<uint64_t>(absl::ToInt64Nanoseconds(slice));
  syscall(SYS_sched_setattr, kThisThread, &attributes, 0);
}

}  // namespace watchword
