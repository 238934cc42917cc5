#include "watchword/base/scheduling.h"

#include <sched.h>

#include <algorithm>
#include <thread>
#include <utility>

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
  for (const auto& [policy, added] : {std::pair(SCHED_BATCH, 5), std::pair(SCHED_IDLE, 0)}) {
    int policy_afterwards = SCHED_OTHER;
    const Scheduling found = SchedulingAfter([&, policy = policy] {
      const sched_param none{};
      EXPECT_EQ(sched_setscheduler(0, policy, &none), 0);
      AdjustScheduling(5, absl::Milliseconds(1));
      policy_afterwards = sched_getscheduler(0);
    });
    EXPECT_EQ(policy_afterwards, policy);
    EXPECT_EQ(found.nice, std::min(nice + added, 19));
  }
}

}  // namespace
}  // namespace watchword
