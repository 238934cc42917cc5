#include "server/service/key_schedule.h"

#include "gtest/gtest.h"

namespace watchword {
namespace {

constexpr absl::Duration kTick = absl::Microseconds(1);

class KeyScheduleTest : public testing::Test {
 protected:
  // "publish", "activate ID", "delete ID" or "nothing".
  std::string Next(absl::Time now) {
    const auto step = NextKeyStep(keys_, schedule_, now, [this](const std::string&) { return acknowledged_; });
    if (!step.has_value()) return "nothing";
    if (step->kind == KeyStep::Kind::kPublish) return "publish";
    return (step->kind == KeyStep::Kind::kActivate ? "activate " : "delete ") + step->key_id;
  }
  void Add(const std::string& id, SigningKeyState state) {
    keys_.push_back({.key_id = id, .state = state, .created_at = start_, .changed_at = start_});
  }

  const absl::Time start_ = absl::FromUnixSeconds(1'800'000'000);
  KeySchedule schedule_;
  std::vector<SigningKeyRecord> keys_;
  bool acknowledged_ = false;
};

TEST_F(KeyScheduleTest, AnotherKeyIsPublishedWhenTheActiveOneHasSignedForThePeriod) {
  Add("k1", SigningKeyState::kActive);
  EXPECT_EQ(Next(start_ + absl::Hours(720) - kTick), "nothing");
  EXPECT_EQ(Next(start_ + absl::Hours(720)), "publish");
  Add("k2", SigningKeyState::kPublished);
  schedule_.publication_time = absl::InfiniteDuration();
  EXPECT_EQ(Next(start_ + absl::Hours(721)), "nothing") << "one waits already";
}

TEST_F(KeyScheduleTest, WithoutAPeriodNothingIsPublished) {
  Add("k1", SigningKeyState::kActive);
  schedule_.rotation_period = absl::InfiniteDuration();
  EXPECT_EQ(Next(start_ + absl::Hours(1'000'000)), "nothing");
}

TEST_F(KeyScheduleTest, AKeySignsOnceItIsAcknowledgedAndHasBeenPublicForLongEnough) {
  Add("k1", SigningKeyState::kActive);
  Add("k2", SigningKeyState::kPublished);
  acknowledged_ = true;
  EXPECT_EQ(Next(start_ + schedule_.publication_time - kTick), "nothing");
  EXPECT_EQ(Next(start_ + schedule_.publication_time), "activate k2");
}

TEST_F(KeyScheduleTest, WhoDoesNotAcknowledgeIsWaitedForUntilTheTimeout) {
  Add("k1", SigningKeyState::kActive);
  Add("k2", SigningKeyState::kPublished);
  EXPECT_EQ(Next(start_ + schedule_.acknowledgement_timeout - kTick), "nothing");
  EXPECT_EQ(Next(start_ + schedule_.acknowledgement_timeout), "activate k2");
}

TEST_F(KeyScheduleTest, ARetiredKeyStaysUntilItsLastTokenHasExpired) {
  Add("k1", SigningKeyState::kRetired);
  Add("k2", SigningKeyState::kActive);
  EXPECT_GE(kKeepRetiredKeys, kMaxAccessTokenTtl + kMaxLeeway);
  EXPECT_EQ(Next(start_ + kKeepRetiredKeys - kTick), "nothing");
  EXPECT_EQ(Next(start_ + kKeepRetiredKeys), "delete k1");
}

TEST_F(KeyScheduleTest, AClockThatIsSetBackChangesNothing) {
  Add("k1", SigningKeyState::kRetired);
  Add("k2", SigningKeyState::kActive);
  Add("k3", SigningKeyState::kPublished);
  acknowledged_ = true;
  EXPECT_EQ(Next(start_ - absl::Hours(1000)), "nothing");
}

}  // namespace
}  // namespace watchword
