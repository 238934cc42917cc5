#include "server/domain/refresh_rules.h"

#include "gtest/gtest.h"

namespace watchword {
namespace {

constexpr absl::Duration kGrace = absl::Seconds(10);
constexpr absl::Duration kTick = absl::Microseconds(1);

absl::Time RotatedAt() { return absl::FromUnixSeconds(1'800'000'000); }

RefreshVerdict Judge(int64_t presented, absl::Duration after) {
  return JudgeRefresh(presented, /*newest_generation=*/7, RotatedAt(), RotatedAt() + after, kGrace);
}

TEST(JudgeRefreshTest, NewestTokenIsRotatedHoweverOld) {
  EXPECT_EQ(Judge(7, absl::ZeroDuration()), RefreshVerdict::kRotate);
  EXPECT_EQ(Judge(7, absl::Hours(24 * 365)), RefreshVerdict::kRotate);
}

TEST(JudgeRefreshTest, TokenBeforeItIsRepeatedUntilTheGracePeriodEnds) {
  EXPECT_EQ(Judge(6, absl::ZeroDuration()), RefreshVerdict::kRepeat);
  EXPECT_EQ(Judge(6, kGrace - kTick), RefreshVerdict::kRepeat);
  EXPECT_EQ(Judge(6, kGrace), RefreshVerdict::kReused);
  EXPECT_EQ(Judge(6, kGrace + kTick), RefreshVerdict::kReused);
}

TEST(JudgeRefreshTest, ClockALittleBehindIsBorneButOneSetBackLengthensNothing) {
  EXPECT_EQ(Judge(6, -kTick), RefreshVerdict::kRepeat);
  EXPECT_EQ(Judge(6, -kGrace + kTick), RefreshVerdict::kRepeat);
  EXPECT_EQ(Judge(6, -kGrace), RefreshVerdict::kReused);
  EXPECT_EQ(Judge(6, -absl::Hours(1)), RefreshVerdict::kReused);
}

TEST(JudgeRefreshTest, OlderTokensAreReusedEvenWithinTheGracePeriod) {
  EXPECT_EQ(Judge(5, absl::ZeroDuration()), RefreshVerdict::kReused);
  EXPECT_EQ(Judge(0, absl::ZeroDuration()), RefreshVerdict::kReused);
}

TEST(JudgeRefreshTest, TokenNeverIssuedEndsTheSession) {
  EXPECT_EQ(Judge(8, absl::ZeroDuration()), RefreshVerdict::kReused);
  EXPECT_EQ(Judge(-1, absl::ZeroDuration()), RefreshVerdict::kReused);
}

TEST(JudgeRefreshTest, WithoutAGracePeriodNothingIsRepeated) {
  EXPECT_EQ(JudgeRefresh(6, 7, RotatedAt(), RotatedAt(), absl::ZeroDuration()), RefreshVerdict::kReused);
}

}  // namespace
}  // namespace watchword
