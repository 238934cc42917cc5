#include "server/domain/throttle_rules.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace watchword {
namespace {

using testing::ElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

std::vector<absl::Duration> BlocksOfAccount(int64_t from, int64_t to, const ThrottleLimits& limits) {
  std::vector<absl::Duration> blocks;
  for (int64_t failures = from; failures <= to; ++failures) blocks.push_back(BlockOfAccount(failures, limits));
  return blocks;
}

TEST(ThrottleRulesTest, TheFirstFailuresOfAnAccountBlockNothingAndThenEachBlocksForTwiceAsLong) {
  EXPECT_THAT(BlocksOfAccount(1, 7, {.account_free_failures = 5}),
              ElementsAre(absl::ZeroDuration(), absl::ZeroDuration(), absl::ZeroDuration(), absl::ZeroDuration(),
                          absl::Seconds(1), absl::Seconds(2), absl::Seconds(4)));
}

TEST(ThrottleRulesTest, ABlockOfAnAccountEndsByItselfButForTheLastFailureOnlyTheNextDay) {
  EXPECT_THAT(BlocksOfAccount(14, 16, {}), ElementsAre(absl::Seconds(512), kLongestBlock, kLongestBlock));
  EXPECT_EQ(BlockOfAccount(kMostAccountFailures - 1, {}), kLongestBlock);
  EXPECT_EQ(BlockOfAccount(kMostAccountFailures, {}), kRestOfAccount);
  EXPECT_EQ(BlockOfAccount(kMostAccountFailures, {.account_free_failures = kMostAccountFailures}), kRestOfAccount);
  EXPECT_EQ(BlockOfAccount(1'000'000, {}), kRestOfAccount);
}

TEST(ThrottleRulesTest, StrangersAndKnownSourcesTogetherHaveAHundredFailures) {
  EXPECT_EQ(BlockOfKnownSources(kMostAccountFailures - 1), absl::ZeroDuration());
  EXPECT_EQ(BlockOfKnownSources(kMostAccountFailures), kRestOfAccount);
  EXPECT_EQ(2 * kMostAccountFailures, 100);
}

TEST(ThrottleRulesTest, ASourceIsBlockedForGrowingTimesUnlessThatIsSwitchedOff) {
  EXPECT_EQ(BlockOfSource(49, {}), absl::ZeroDuration());
  EXPECT_EQ(BlockOfSource(50, {}), absl::Seconds(1));
  EXPECT_EQ(BlockOfSource(53, {}), absl::Seconds(8));
  EXPECT_EQ(BlockOfSource(1'000'000, {}), kLongestBlock);
  EXPECT_EQ(BlockOfSource(1'000'000, {.source_free_failures = 0}), absl::ZeroDuration());
}

TEST(ThrottleRulesTest, FailuresOfASourceAreForgottenAtASteadyRateHoweverOftenThatIsAsked) {
  int64_t failures = 10;
  absl::Time counted_at = kNow;
  // Each step alone is too short for one to be forgotten.
  for (absl::Time now = kNow; now <= kNow + 3 * kForgetSourceFailure; now += kForgetSourceFailure / 2) {
    ForgetSourceFailures(failures, counted_at, now);
  }
  EXPECT_EQ(failures, 7);
  ForgetSourceFailures(failures, counted_at, kNow - absl::Hours(1));
  EXPECT_EQ(failures, 7) << "a clock that was set back forgets nothing";
  ForgetSourceFailures(failures, counted_at, kNow + absl::Hours(1));
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace watchword
