#include "watchword/base/executor.h"

#include <sys/resource.h>

#include <algorithm>
#include <latch>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
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

TEST(ExecutorTest, NiceLowersThePriorityOfItsThreadsOnly) {
  const int before = getpriority(PRIO_PROCESS, 0);
  int nice = 0;
  {
    Executor executor({.name = "test", .nice = 5});
    std::latch done{1};
    ASSERT_THAT(executor.Submit(absl::InfiniteFuture(),
                                [&](absl::Status) {
                                  nice = getpriority(PRIO_PROCESS, 0);
                                  done.count_down();
                                }),
                IsOk());
    done.wait();
  }
  EXPECT_EQ(nice, std::min(before + 5, 19));
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), before);
}

}  // namespace
}  // namespace watchword
