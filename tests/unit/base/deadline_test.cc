#include "watchword/base/deadline.h"

#include <future>

#include "gtest/gtest.h"
#include "watchword/base/executor.h"

namespace watchword {
namespace {

const absl::Time kTime = absl::FromUnixSeconds(1'800'000'000);

TEST(Deadline, IsInfiniteUnlessSomebodySetsIt) {
  EXPECT_EQ(CurrentDeadline(), absl::InfiniteFuture());
  {
    const ScopedDeadline scope(kTime);
    EXPECT_EQ(CurrentDeadline(), kTime);
  }
  EXPECT_EQ(CurrentDeadline(), absl::InfiniteFuture());
}

TEST(Deadline, TheInnermostCountsAndTheOuterComesBack) {
  const ScopedDeadline outer(kTime);
  {
    const ScopedDeadline inner(kTime + absl::Seconds(1));
    EXPECT_EQ(CurrentDeadline(), kTime + absl::Seconds(1));
  }
  EXPECT_EQ(CurrentDeadline(), kTime);
}

TEST(Deadline, WorkOnAnExecutorHasItsOwn) {
  const absl::Time deadline = SystemClock().Now() + absl::Hours(1);
  std::promise<absl::Time> seen;
  Executor executor({.name = "test"});
  ASSERT_TRUE(executor.Submit(deadline, [&](const absl::Status&) { seen.set_value(CurrentDeadline()); }).ok());
  EXPECT_EQ(seen.get_future().get(), deadline);
}

}  // namespace
}  // namespace watchword
