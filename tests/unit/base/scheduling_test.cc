#include "watchword/base/scheduling.h"

#include <sched.h>

#include <algorithm>
#include <thread>

#include "gtest/gtest.h"

namespace watchword {
namespace {

// What `work` leaves of the scheduling of a new thread.
template <typename Work>
Scheduling SchedulingAfter(Work work) {
  Scheduling found;
  std::thread([&] {
    work();
    found = CurrentScheduling();
  }).join();
  return found;
}

TEST(AdjustSchedulingTest, ThreadsThatAreStartedAfterwardsInheritIt) {
  const Scheduling before = CurrentScheduling();
  const bool knows_slices = before.slice > absl::ZeroDuration();
  Scheduling inherited;
  const Scheduling adjusted = SchedulingAfter([&] {
    AdjustScheduling(3, absl::Milliseconds(20));
    inherited = SchedulingAfter([] {});
  });
  for (const Scheduling& each : {adjusted, inherited}) {
    EXPECT_EQ(each.nice, std::min(before.nice + 3, 19));
    EXPECT_EQ(each.slice, knows_slices ? absl::Milliseconds(20) : absl::ZeroDuration());
  }
}

TEST(AdjustSchedulingTest, NiceIsAddedUpToTheHighest) {
  EXPECT_EQ(SchedulingAfter([] {
              AdjustScheduling(15, absl::Milliseconds(1));
              AdjustScheduling(15, absl::Milliseconds(1));
            }).nice,
            19);
}

TEST(AdjustSchedulingTest, PolicyThatSomebodyHasChosenStays) {
  const int nice = CurrentScheduling().nice;
  int policy = SCHED_OTHER;
  const Scheduling found = SchedulingAfter([&] {
    const sched_param none{};
    EXPECT_EQ(sched_setscheduler(0, SCHED_BATCH, &none), 0);
    AdjustScheduling(5, absl::Milliseconds(1));
    policy = sched_getscheduler(0);
  });
  EXPECT_EQ(policy, SCHED_BATCH);
  EXPECT_EQ(found.nice, nice);
}

}  // namespace
}  // namespace watchword
