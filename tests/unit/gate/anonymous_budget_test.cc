#include "watchword/gate/anonymous_budget.h"

#include "gmock/gmock.h"
#include "testing/status_matchers.h"
#include "watchword/base/testing/fake_clock.h"
#include "watchword/token/reasons.h"

namespace watchword {
namespace {

constexpr absl::Duration kTick = absl::Nanoseconds(1);

class AnonymousBudgetTest : public testing::Test {
 protected:
  // How many of `calls` at once are let in.
  int LetIn(int calls, const void* connection) {
    int let_in = 0;
    for (int i = 0; i < calls; ++i) let_in += budget_.Take(connection).ok() ? 1 : 0;
    return let_in;
  }

  FakeClock clock_;
  AnonymousBudget budget_{{.calls_per_second = 10, .burst = 5}, {.calls_per_second = 100, .burst = 12}, clock_};
  const int a_ = 0, b_ = 0, c_ = 0;
};

TEST_F(AnonymousBudgetTest, BurstIsLetInThenOneCallEachInterval) {
  EXPECT_EQ(LetIn(5, &a_), 5);
  clock_.Advance(absl::Milliseconds(100) - kTick);
  EXPECT_THAT(budget_.Take(&a_), HasReason(kRateLimited));
  EXPECT_EQ(budget_.Take(&a_).code(), absl::StatusCode::kResourceExhausted);
  clock_.Advance(absl::Milliseconds(25) + kTick);  // two refusals cost a quarter of a call
  EXPECT_THAT(budget_.Take(&a_), IsOk());
}

TEST_F(AnonymousBudgetTest, AfterAQuietTimeNoMoreThanTheBurstIsLetIn) {
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(LetIn(100, &a_), 5);
}

TEST_F(AnonymousBudgetTest, OneConnectionUsesUpNothingOfAnother) {
  LetIn(1000, &a_);
  EXPECT_EQ(LetIn(5, &b_), 5);
}

TEST_F(AnonymousBudgetTest, AllConnectionsTogetherHaveALimitToo) {
  EXPECT_EQ(LetIn(5, &a_) + LetIn(5, &b_) + LetIn(5, &c_), 12);
}

TEST_F(AnonymousBudgetTest, WhoSendsEightTimesAsMuchAsAllowedGetsNothingUntilASecondAfterTheEnd) {
  LetIn(5, &a_);
  int let_in = 0;
  for (int i = 0; i < 1000; ++i) {  // 100 calls a second for ten seconds
    clock_.Advance(absl::Milliseconds(10));
    let_in += LetIn(1, &a_);
  }
  EXPECT_EQ(let_in, 0);
  clock_.Advance(absl::Seconds(1) - kTick);
  EXPECT_EQ(LetIn(1, &a_), 0);
  clock_.Advance(absl::Milliseconds(13));
  EXPECT_EQ(LetIn(1, &a_), 1);
}

TEST_F(AnonymousBudgetTest, WhoSendsALittleMoreThanAllowedIsServedNearlyAtTheRate) {
  LetIn(5, &a_);
  int let_in = 0;
  for (int i = 0; i < 1200; ++i) {  // 12 calls a second for 100 seconds
    clock_.Advance(absl::Milliseconds(1000) / 12);
    let_in += LetIn(1, &a_);
  }
  EXPECT_GE(let_in, 900);
  EXPECT_LE(let_in, 1005);
}

}  // namespace
}  // namespace watchword
