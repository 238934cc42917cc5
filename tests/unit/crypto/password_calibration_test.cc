#include "server/crypto/password_calibration.h"

#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "watchword/base/testing/fake_random.h"

namespace watchword {
namespace {

constexpr uint32_t kMib = 1024;

// A machine that fills so many MiB in a millisecond.
PasswordHasher::Cost Choose(absl::Duration wanted, uint32_t max_memory_kib, double mib_per_ms) {
  const auto cost = ChooseHashCost(wanted, max_memory_kib, [&](const PasswordHasher::Cost& tried) {
    return absl::Milliseconds(1) * (tried.memory_kib / 1024.0 * tried.passes / mib_per_ms);
  });
  EXPECT_THAT(cost, IsOk());
  return cost.value_or(PasswordHasher::Cost());
}

TEST(ChooseHashCostTest, TakesTheMemoryItMayAndThenAsManyPassesAsFit) {
  const auto cost = Choose(absl::Milliseconds(100), 64 * kMib, 1.5);
  EXPECT_EQ(cost.memory_kib, 64 * kMib);
  EXPECT_EQ(cost.passes, 2u);  // 85 ms; a third would make it 128
}

TEST(ChooseHashCostTest, TakesLessMemoryIfOnePassOverAllOfItTakesTooLong) {
  const auto cost = Choose(absl::Milliseconds(100), 256 * kMib, 2);
  EXPECT_EQ(cost.memory_kib, 200 * kMib);
  EXPECT_EQ(cost.passes, 1u);
}

TEST(ChooseHashCostTest, NeverGoesBelowTheDefault) {
  for (const auto& cost : {Choose(absl::Milliseconds(1), 64 * kMib, 1), Choose(absl::Milliseconds(25), 64 * kMib, 1),
                           Choose(absl::Milliseconds(1), 1 * kMib, 1)}) {
    EXPECT_EQ(cost.memory_kib, 19'456u);
    EXPECT_EQ(cost.passes, 2u);
  }
}

TEST(ChooseHashCostTest, NeverGoesBeyondWhatTheServerTakes) {
  const auto much = Choose(absl::Hours(1), 4'000'000'000, 1000);
  EXPECT_EQ(much.memory_kib, 1024 * kMib);
  EXPECT_EQ(much.passes, 4u);
  const auto long_one = Choose(absl::Hours(1), 19 * kMib, 1000);
  EXPECT_EQ(long_one.memory_kib, 19 * kMib);
  EXPECT_EQ(long_one.passes, 64u);
}

TEST(ChooseHashCostTest, AnErrorOfTheMeasurementIsReported) {
  const auto cost = ChooseHashCost(absl::Seconds(1), 64 * kMib, [](const PasswordHasher::Cost&) {
    return absl::StatusOr<absl::Duration>(absl::ResourceExhaustedError("no memory"));
  });
  EXPECT_THAT(cost, HasCode(absl::StatusCode::kResourceExhausted));
}

TEST(MeasureHashesTest, MoreWorkTakesLonger) {
  FakeRandom random;
  const auto little = MeasureHashes({.memory_kib = 8 * kMib, .passes = 1}, 1, random);
  const auto much = MeasureHashes({.memory_kib = 16 * kMib, .passes = 16}, 1, random);
  ASSERT_THAT(little, IsOk());
  ASSERT_THAT(much, IsOk());
  EXPECT_GT(*little, absl::ZeroDuration());
  EXPECT_GT(*much, 2 * *little);
  EXPECT_THAT(MeasureHashes({.memory_kib = 1, .passes = 1}, 1, random), HasCode(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace watchword
