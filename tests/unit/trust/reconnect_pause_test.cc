#include "watchword/trust/reconnect_pause.h"

#include <cstring>
#include <vector>

#include "gmock/gmock.h"
#include "watchword/base/testing/fake_random.h"

namespace watchword {
namespace {

using Lost = ReconnectPause::Lost;

constexpr ReconnectPause::Limits kLimits = {
    .min_backoff = absl::Milliseconds(100), .max_backoff = absl::Seconds(5), .spread = absl::Seconds(1)};

// Gives the greatest number.
class HighRandom final : public RandomSource {
 public:
  absl::Status Fill(absl::Span<uint8_t> out) override {
    std::memset(out.data(), 0xff, out.size());
    return absl::OkStatus();
  }
};

class ReconnectPauseTest : public testing::Test {
 protected:
  HighRandom random_;
  ReconnectPause pause_{kLimits, random_};
};

MATCHER_P(IsNearly, limit, "") { return arg <= limit && arg > limit * 0.999; }

TEST_F(ReconnectPauseTest, AttemptsThatFailBecomeRarerUpToALimit) {
  for (const int milliseconds : {200, 400, 800, 1600, 3200, 5000, 5000}) {
    EXPECT_THAT(pause_.Next(Lost::kAttempt), IsNearly(absl::Milliseconds(milliseconds)));
  }
}

TEST_F(ReconnectPauseTest, StreamThatWasLostAloneIsTakenUpAgainAtOnceAndBackOffBeginsAnew) {
  for (int i = 0; i < 10; ++i) pause_.Next(Lost::kAttempt);
  EXPECT_THAT(pause_.Next(Lost::kStream), IsNearly(absl::Milliseconds(100)));
  EXPECT_THAT(pause_.Next(Lost::kAttempt), IsNearly(absl::Milliseconds(200)));
}

TEST_F(ReconnectPauseTest, WithoutRandomnessTheWholeLimitIsWaited) {
  FailingRandom none;
  EXPECT_EQ(ReconnectPause(kLimits, none).Next(Lost::kServer), absl::Seconds(1));
}

TEST(ReconnectPauseSpreadTest, VerifiersOfAServerThatIsLostComeBackSpreadOverASecondAndNotTogether) {
  constexpr int kVerifiers = 500, kParts = 10;
  std::vector<int> in_part(kParts);
  for (int i = 0; i < kVerifiers; ++i) {
    ReconnectPause pause(kLimits, SystemRandom());
    const absl::Duration next = pause.Next(Lost::kServer);
    ASSERT_GE(next, absl::ZeroDuration());
    ASSERT_LT(next, absl::Seconds(1));
    ++in_part[static_cast<size_t>(next / absl::Milliseconds(100))];
  }
  // 50 are expected in each; that one has fewer than 15 or more than 110 happens once in a million runs.
  for (const int count : in_part) EXPECT_THAT(count, testing::AllOf(testing::Ge(15), testing::Le(110)));
}

}  // namespace
}  // namespace watchword
