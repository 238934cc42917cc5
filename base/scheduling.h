#pragma once

#include "absl/time/time.h"

namespace watchword {

// How the calling thread shares the processors with others.
struct Scheduling {
  int nice = 0;
  absl::Duration slice;  // 0 where the kernel tells none
};
Scheduling CurrentScheduling();

// Adds `nice`, 0 to 19, to the calling thread's, and asks the scheduler for slices of `slice`, 0.1 to 100 ms. Threads
// that it starts afterwards inherit both. From Linux 6.12 on, a thread with a short slice that wakes up takes the
// processor from one with a long slice at once, in place of when that one's is over; kernels before that have no slices
// of threads.
//
// What the system does not permit stays as it is, and so does what a policy other than SCHED_OTHER and SCHED_BATCH
// says: this is about how soon others are served, not whether.
void AdjustScheduling(int nice, absl::Duration slice);

}  // namespace watchword
