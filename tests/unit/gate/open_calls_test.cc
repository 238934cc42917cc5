#include "watchword/gate/open_calls.h"

#include "gtest/gtest.h"
#include "watchword/base/testing/fake_clock.h"

namespace watchword {
namespace {

class OpenCallsTest : public testing::Test {
 protected:
  int Begin(int calls, const void* connection) {
    int begun = 0;
    for (int i = 0; i < calls; ++i) begun += calls_.Begin(connection) ? 1 : 0;
    return begun;
  }

  FakeClock clock_;
  OpenCalls calls_{10, clock_};
  const int a_ = 0, b_ = 0;
};

TEST_F(OpenCallsTest, NoMoreThanTheMostAreOpenAtOnceOnAConnection) {
  EXPECT_EQ(Begin(100, &a_), 10);
  EXPECT_EQ(Begin(1, &b_), 1);
  calls_.End(&a_);
  EXPECT_EQ(Begin(2, &a_), 1);
}

TEST_F(OpenCallsTest, WhatIsLostIsForgottenAfterTwoWindowsThoughTheConnectionIsBusy) {
  EXPECT_EQ(Begin(10, &a_), 10);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(Begin(1, &a_), 0) << i;
    clock_.Advance(absl::Seconds(1));
  }
  EXPECT_EQ(Begin(10, &a_), 10);
}

TEST_F(OpenCallsTest, WhatWasBegunInTheWindowBeforeStillCounts) {
  EXPECT_EQ(Begin(6, &a_), 6);
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(Begin(10, &a_), 4);
  for (int i = 0; i < 6; ++i) calls_.End(&a_);
  EXPECT_EQ(Begin(10, &a_), 6);
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(Begin(10, &a_), 0) << "ten are not over, of the window before";
}

TEST_F(OpenCallsTest, ConnectionThatGetsTheAddressOfOneThatHasEndedBeginsAnew) {
  EXPECT_EQ(Begin(10, &a_), 10);
  calls_.Forget(&a_);
  EXPECT_EQ(Begin(10, &a_), 10);
}

TEST_F(OpenCallsTest, MoreEndsThanBeginsLetNoMoreIn) {
  for (int i = 0; i < 100; ++i) calls_.End(&a_);
  EXPECT_EQ(Begin(100, &a_), 10);
}

TEST_F(OpenCallsTest, ConnectionIsHarmfulIfFarMoreIsRefusedThanLetInAndIsTakenOnce) {
  int let_in = 0;
  for (int i = 0; i < 1'999; ++i) let_in += calls_.NoteRefusal(&a_) ? 1 : 0;
  EXPECT_FALSE(calls_.IsHarmful(&a_));
  EXPECT_EQ(let_in, 0);
  EXPECT_TRUE(calls_.NoteRefusal(&a_)) << "one must be let in, to see whose it is";
  EXPECT_TRUE(calls_.IsHarmful(&a_));
  EXPECT_FALSE(calls_.IsHarmful(&b_));
  for (int i = 0; i < 100'000; ++i) let_in += calls_.NoteRefusal(&a_) ? 1 : 0;
  EXPECT_EQ(let_in, 20);
  EXPECT_TRUE(calls_.TakeHarmful(&a_));
  EXPECT_FALSE(calls_.TakeHarmful(&a_));
  EXPECT_FALSE(calls_.IsHarmful(&a_));
}

TEST_F(OpenCallsTest, WhoIsRefusedNowAndThenIsNeverHarmful) {
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(calls_.Begin(&a_));
    calls_.End(&a_);
    for (int refused = 0; refused < 8; ++refused) calls_.NoteRefusal(&a_);
    ASSERT_FALSE(calls_.IsHarmful(&a_));
  }
}

}  // namespace
}  // namespace watchword
