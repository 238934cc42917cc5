#include "watchword/base/executor.h"

#include <algorithm>
#include <atomic>
#include <latch>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "watchword/base/retry.h"
#include "watchword/base/scheduling.h"
#include "watchword/base/testing/fake_clock.h"

namespace watchword {
namespace {

using Code = absl::StatusCode;

// Keeps the one thread of an executor busy, so that what is submitted afterwards stays in the queue.
class Blocker {
 public:
  explicit Blocker(Executor& executor) {
    EXPECT_THAT(executor.Submit(absl::InfiniteFuture(),
                                [this](absl::Status) {
                                  started_.count_down();
                                  release_.wait();
                                }),
                IsOk());
    started_.wait();
  }
  void Release() { release_.count_down(); }

 private:
  std::latch started_{1};
  std::latch release_{1};
};

TEST(ExecutorTest, WorkIsDoneInTheOrderItCame) {
  std::vector<int> done;
  {
    Executor executor({.name = "test"});
    std::latch last{1};
    for (int i = 0; i < 10; ++i) {
      ASSERT_THAT(executor.Submit(absl::InfiniteFuture(),
                                  [&done, &last, i](absl::Status status) {
                                    EXPECT_THAT(status, IsOk());
                                    done.push_back(i);
                                    if (i == 9) last.count_down();
                                  }),
                  IsOk());
    }
    last.wait();
  }
  EXPECT_THAT(done, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(ExecutorTest, FullQueueRefusesAtOnceAndDoesNotCallTheWork) {
  bool called = false;
  {
    Executor executor({.name = "test", .queue_capacity = 2});
    Blocker blocker(executor);
    ASSERT_THAT(executor.Submit(absl::InfiniteFuture(), [](absl::Status) {}), IsOk());
    ASSERT_THAT(executor.Submit(absl::InfiniteFuture(), [](absl::Status) {}), IsOk());
    EXPECT_EQ(executor.queued(), 2);
    EXPECT_THAT(executor.Submit(absl::InfiniteFuture(), [&called](absl::Status) { called = true; }),
                HasCode(Code::kResourceExhausted));
    blocker.Release();
  }
  EXPECT_FALSE(called);
}

TEST(ExecutorTest, WorkIsDoneAtItsDeadlineAndNotOneTickLater) {
  FakeClock clock;
  const absl::Time deadline = clock.Now() + absl::Seconds(1);
  absl::Status at_deadline;
  absl::Status after_deadline;
  {
    Executor executor({.name = "test"}, clock);
    Blocker blocker(executor);
    std::latch done{1};
    ASSERT_THAT(executor.Submit(deadline, [&at_deadline](absl::Status status) { at_deadline = status; }), IsOk());
    ASSERT_THAT(executor.Submit(deadline - absl::Nanoseconds(1),
                                [&](absl::Status status) {
                                  after_deadline = status;
                                  done.count_down();
                                }),
                IsOk());
    clock.Advance(absl::Seconds(1));
    blocker.Release();
    done.wait();
  }
  EXPECT_THAT(at_deadline, IsOk());
  EXPECT_THAT(after_deadline, HasCode(Code::kDeadlineExceeded));
}

TEST(ExecutorTest, StopCallsWhatIsQueuedWithCancelledExactlyOnce) {
  Executor executor({.name = "test"});
  Blocker blocker(executor);
  std::vector<absl::Status> statuses;
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(
        executor.Submit(absl::InfiniteFuture(), [&statuses](absl::Status status) { statuses.push_back(status); }),
        IsOk());
  }
  std::thread stopper([&executor] { executor.Stop(); });
  while (executor.Submit(absl::InfiniteFuture(), [](absl::Status) {}).code() != Code::kCancelled) {
    std::this_thread::yield();  // until Stop has begun
  }
  blocker.Release();
  stopper.join();
  ASSERT_EQ(statuses.size(), 3);
  for (size_t i = 0; i < 3; ++i) EXPECT_THAT(statuses[i], HasCode(Code::kCancelled));
}

TEST(ExecutorTest, StoppedExecutorRefusesWork) {
  Executor executor({.name = "test"});
  executor.Stop();
  bool called = false;
  EXPECT_THAT(executor.Submit(absl::InfiniteFuture(), [&called](absl::Status) { called = true; }),
              HasCode(Code::kCancelled));
  executor.Stop();
  EXPECT_FALSE(called);
}

TEST(ExecutorTest, ThreadsWorkAtTheSameTime) {
  Executor executor({.name = "test", .threads = 2});
  Blocker first(executor);
  Blocker second(executor);  // its constructor returns only if another thread takes it
  first.Release();
  second.Release();
}

TEST(ExecutorTest, NiceLowersThePriorityOfItsThreadsOnlyWhichHaveTheLongestSlices) {
  const Scheduling before = CurrentScheduling();
  Scheduling within;
  {
    Executor executor({.name = "test", .nice = 5});
    std::latch done{1};
    ASSERT_THAT(executor.Submit(absl::InfiniteFuture(),
                                [&](absl::Status) {
                                  within = CurrentScheduling();
                                  done.count_down();
                                }),
                IsOk());
    done.wait();
  }
  EXPECT_EQ(within.nice, std::min(before.nice + 5, 19));
  if (before.slice > absl::ZeroDuration()) {
    EXPECT_EQ(within.slice, absl::Milliseconds(100));
  }
  const Scheduling after = CurrentScheduling();
  EXPECT_EQ(after.nice, before.nice);
  EXPECT_EQ(after.slice, before.slice);
}

// An executor whose work takes as long as the test says, by a clock of its own.
class AdmissionTest : public testing::Test {
 protected:
  // Does one piece of work that takes `time`, alone.
  void Work(Executor& executor, absl::Duration time) {
    std::latch done{1};
    ASSERT_THAT(executor.Submit(absl::InfiniteFuture(), [&](absl::Status) { clock_.Advance(time); }), IsOk());
    ASSERT_THAT(executor.Submit(absl::InfiniteFuture(), [&](absl::Status) { done.count_down(); }), IsOk());
    done.wait();
  }
  // Of one thread, with an average of 100 ms (the empty work behind it counts a tenth).
  std::unique_ptr<Executor> Measured(absl::Duration max_wait) {
    auto executor = std::make_unique<Executor>(Executor::Options{.name = "test", .max_wait = max_wait}, clock_);
    std::latch done{1};
    EXPECT_THAT(
        executor->Submit(absl::InfiniteFuture(), [&](absl::Status) { clock_.Advance(absl::Milliseconds(100)); }),
        IsOk());
    while (executor->average() == absl::ZeroDuration()) std::this_thread::yield();
    EXPECT_EQ(executor->average(), absl::Milliseconds(100));
    return executor;
  }

  FakeClock clock_;
};

TEST_F(AdmissionTest, WhatWouldWaitForTooLongIsRefusedAtOnceWithTheTimeUntilItWouldNot) {
  const auto executor = Measured(absl::Milliseconds(250));
  Blocker blocker(*executor);
  // The one that runs counts a half: 50, 150, 250 ms ahead of each that comes.
  for (int i = 0; i < 3; ++i) ASSERT_THAT(executor->Submit(absl::InfiniteFuture(), [](absl::Status) {}), IsOk());
  const absl::Status refused = executor->Submit(absl::InfiniteFuture(), [](absl::Status) { FAIL(); });
  EXPECT_THAT(refused, HasCode(Code::kResourceExhausted));
  EXPECT_EQ(RetryDelayOf(refused), absl::Milliseconds(175));  // in 100 it would be taken, but half is free in 175
  EXPECT_EQ(executor->WouldAccept(absl::InfiniteFuture()), refused);
  blocker.Release();
}

TEST_F(AdmissionTest, WhatWouldEndAfterItsDeadlineIsRefusedAtOnceWithTheTimeUntilItWouldNot) {
  const auto executor = Measured(absl::Minutes(1));
  Blocker blocker(*executor);
  ASSERT_THAT(executor->Submit(absl::InfiniteFuture(), [](absl::Status) {}), IsOk());
  // 150 ms to wait and 100 ms of work, taken to be a quarter longer.
  const absl::Duration enough = absl::Microseconds(312'500);
  EXPECT_THAT(executor->WouldAccept(clock_.Now() + enough), IsOk());
  for (const auto& [missing, delay] : {std::pair(absl::Milliseconds(25), absl::Milliseconds(75)),    // half is free
                                       std::pair(absl::Milliseconds(125), absl::Milliseconds(100)),  // as much as fits
                                       std::pair(absl::Milliseconds(312), absl::Microseconds(249'600)),  // that as well
                                       std::pair(absl::Seconds(10), absl::Milliseconds(250))}) {         // never fits
    const absl::Status refused = executor->WouldAccept(clock_.Now() + enough - missing);
    EXPECT_THAT(refused, HasCode(Code::kResourceExhausted));
    EXPECT_EQ(RetryDelayOf(refused), absl::Ceil(delay, absl::Milliseconds(1)));
  }
  EXPECT_THAT(executor->WouldAccept(clock_.Now() + enough - absl::Nanoseconds(1)), HasCode(Code::kResourceExhausted));
  blocker.Release();
}

TEST_F(AdmissionTest, AnIdleThreadTakesWorkWhateverTheAverageSays) {
  const auto executor = Measured(absl::Minutes(1));
  std::latch done{1};
  absl::Status status = absl::UnknownError("not called");
  ASSERT_THAT(executor->Submit(clock_.Now() + absl::Milliseconds(1),
                               [&](absl::Status given) {
                                 status = given;
                                 done.count_down();
                               }),
              IsOk());
  done.wait();
  EXPECT_THAT(status, IsOk());
}

TEST_F(AdmissionTest, WhatHasWaitedForTooLongIsNotDone) {
  const auto executor = Measured(absl::Milliseconds(250));
  const absl::Duration longest = absl::Microseconds(312'500);  // a quarter more than was expected at most
  for (const absl::Duration waited : {longest, longest + absl::Milliseconds(1)}) {
    Blocker blocker(*executor);
    std::latch done{1};
    absl::Status status;
    ASSERT_THAT(executor->Submit(absl::InfiniteFuture(),
                                 [&](absl::Status given) {
                                   status = given;
                                   done.count_down();
                                 }),
                IsOk());
    clock_.Advance(waited);
    blocker.Release();
    done.wait();
    if (waited == longest) {
      EXPECT_THAT(status, IsOk());
    } else {
      EXPECT_THAT(status, HasCode(Code::kResourceExhausted));
      EXPECT_TRUE(RetryDelayOf(status).has_value());
    }
    while (executor->WouldAccept(clock_.Now()).code() == Code::kResourceExhausted) std::this_thread::yield();  // idle
  }
}

TEST_F(AdmissionTest, WhatWouldEndTooLateByNowIsNotDone) {
  const auto executor = Measured(absl::Minutes(1));
  Blocker blocker(*executor);
  std::latch done{1};
  absl::Status status;
  ASSERT_THAT(executor->Submit(clock_.Now() + absl::Milliseconds(200),
                               [&](absl::Status given) {
                                 status = given;
                                 done.count_down();
                               }),
              IsOk());
  clock_.Advance(absl::Milliseconds(190));  // its deadline has not passed
  blocker.Release();
  done.wait();
  EXPECT_THAT(status, HasCode(Code::kResourceExhausted));
}

TEST_F(AdmissionTest, WithoutABoundOnTheWaitNothingIsExpected) {
  Executor executor({.name = "test", .queue_capacity = 2}, clock_);
  Work(executor, absl::Hours(1));
  Blocker blocker(executor);
  EXPECT_THAT(executor.Submit(clock_.Now() + absl::Milliseconds(1), [](absl::Status) {}), IsOk());
  EXPECT_THAT(executor.Submit(clock_.Now() + absl::Milliseconds(1), [](absl::Status) {}), IsOk());
  EXPECT_EQ(executor.average(), absl::ZeroDuration());
  EXPECT_EQ(RetryDelayOf(executor.Submit(absl::InfiniteFuture(), [](absl::Status) {})), std::nullopt);
  blocker.Release();
}

TEST(ExecutorTest, WhatRunsAtOnceNeverWeighsMoreThanTheBudgetAndNothingHeavyStarves) {
  std::atomic<int> weight{0};
  std::atomic<int> most{0};
  std::atomic<int> done{0};
  {
    Executor executor({.name = "test", .threads = 8, .queue_capacity = 1000, .budget = 10});
    for (int i = 0; i < 400; ++i) {
      const int mine = i % 10 == 0 ? 10 : 1 + i % 4;
      ASSERT_THAT(executor.Submit(
                      absl::InfiniteFuture(),
                      [&, mine](absl::Status) {
                        const int now = weight += mine;
                        int seen = most;
                        while (now > seen && !most.compare_exchange_weak(seen, now)) {
                        }
                        std::this_thread::yield();
                        weight -= mine;
                        ++done;
                      },
                      static_cast<size_t>(mine)),
                  IsOk());
    }
    while (done < 400) std::this_thread::yield();
  }
  EXPECT_LE(most, 10);
  EXPECT_GT(most, 3);  // more than one did run at once
}

TEST(ExecutorTest, WorkHeavierThanTheBudgetRunsAlone) {
  Executor executor({.name = "test", .threads = 2, .budget = 10});
  std::latch done{1};
  ASSERT_THAT(executor.Submit(
                  absl::InfiniteFuture(), [&](absl::Status) { done.count_down(); }, 11),
              IsOk());
  done.wait();
}

TEST(RetryDelayTest, IsRoundedUpAndNeverNothing) {
  const absl::Status error = absl::ResourceExhaustedError("full");
  EXPECT_EQ(RetryDelayOf(error), std::nullopt);
  EXPECT_EQ(RetryDelayOf(WithRetryDelay(error, absl::Microseconds(1500))), absl::Milliseconds(2));
  EXPECT_EQ(RetryDelayOf(WithRetryDelay(error, -absl::Seconds(1))), absl::Milliseconds(1));
  EXPECT_EQ(WithRetryDelay(error, absl::Seconds(1)).message(), "full");
}

}  // namespace
}  // namespace watchword
