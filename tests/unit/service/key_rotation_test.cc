#include "server/service/key_rotation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "testing/service_fixture.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr absl::Duration kPeriod = absl::Hours(720);

class KeyRotationTest : public ServiceTest {
 protected:
  void SetUp() override { clock_.Advance(absl::Milliseconds(1)); }  // so that a new key is newer than the first

  // "published active", in the order from new to old.
  std::string States() {
    std::vector<std::string> states;
    for (const SigningKeyRecord& key : keys_->records()) {
      const char* const names[] = {"", "published", "active", "retired"};
      states.emplace_back(names[static_cast<int>(key.state)]);
    }
    return absl::StrJoin(states, " ");
  }
  std::string ActiveKey() { return keys_->active_record().key_id; }
  void Pass(absl::Duration time) {
    clock_.Advance(time);
    EXPECT_THAT(rotation_->Step(), IsOk());
  }
  std::vector<std::string> Audited() {
    std::vector<std::string> details;
    for (const AuditEvent& event : audit_.events()) {
      EXPECT_EQ(event.type, kAuditSigningKeyChanged);
      details.push_back(event.target.detail);
    }
    return details;
  }
  // The ids of the keys that tokens are checked with here.
  std::vector<std::string> Trusted() {
    auto ids = trust_.keys()->key_ids();
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  const AuditEvent admin_{.type = kAuditSigningKeyChanged, .actor = "admin"};
};

TEST_F(KeyRotationTest, AKeyLivesFromPublishedToGone) {
  const std::string first = ActiveKey();
  Pass(kPeriod - absl::Seconds(1));
  EXPECT_EQ(States(), "active");
  Pass(absl::Seconds(1));
  EXPECT_EQ(States(), "published active");
  EXPECT_EQ(ActiveKey(), first);
  EXPECT_THAT(Trusted(), SizeIs(2)) << "it can be verified with before it signs";
  Pass(absl::Minutes(30));
  EXPECT_EQ(States(), "active retired");
  EXPECT_NE(ActiveKey(), first);
  Pass(kKeepRetiredKeys - absl::Seconds(1));
  EXPECT_THAT(Trusted(), SizeIs(2));
  Pass(absl::Seconds(1));
  EXPECT_THAT(Trusted(), ElementsAre(ActiveKey()));
  const std::string second = ActiveKey();
  EXPECT_THAT(Audited(), ElementsAre(second + " published", second + " active", first + " retired", first + " gone"));
}

TEST_F(KeyRotationTest, ALiveVerifierThatDoesNotHoldTheKeyIsWaitedFor) {
  const auto verifier = verifiers_->Connect("v");
  verifiers_->AcknowledgeKeys(*verifier, {ActiveKey()});
  ASSERT_THAT(rotation_->Rotate(false, admin_), IsOk());
  Pass(absl::Hours(1));
  EXPECT_EQ(States(), "published active");
  EXPECT_NE(log_.text().find("do not acknowledge"), std::string::npos);
  verifiers_->AcknowledgeKeys(*verifier, trust_.keys()->key_ids());
  Pass(absl::ZeroDuration());
  EXPECT_EQ(States(), "active retired");
}

TEST_F(KeyRotationTest, AVerifierThatIsLostIsNotWaitedFor) {
  const auto verifier = verifiers_->Connect("v");
  ASSERT_THAT(rotation_->Rotate(false, admin_), IsOk());
  verifiers_->Disconnect(verifier);
  Pass(absl::Minutes(30));
  EXPECT_EQ(States(), "active retired");
}

TEST_F(KeyRotationTest, TokensOfARetiredKeyGoOn) {
  const std::string before = Login()->credential;
  const auto key = rotation_->Rotate(true, admin_);
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(key->key_id, ActiveKey());
  EXPECT_EQ(Verdict(before), "ACTIVE");
  EXPECT_EQ(Verdict(Login()->credential), "ACTIVE");
}

TEST_F(KeyRotationTest, RotatingTwiceBeforeItSignsMakesOneKey) {
  const auto first = rotation_->Rotate(false, admin_);
  const auto second = rotation_->Rotate(false, admin_);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->key_id, second->key_id);
  EXPECT_EQ(second->state, SigningKeyState::kPublished);
  EXPECT_THAT(rotation_->Rotate(true, admin_), IsOk());
  EXPECT_EQ(ActiveKey(), first->key_id) << "the one that verifiers have already";
}

TEST_F(KeyRotationTest, ServersThatRotateTogetherLeaveOneActiveKeyAndNoneThatWaits) {
  const std::string before = ActiveKey();
  const auto other_ring = *KeyRing::Open(store_->keys(), {.key_file = folder_.path() + "/key"}, clock_, SystemRandom());
  KeyRotation other(*environment_, *other_ring, audit_, KeySchedule());
  std::thread thread([&] { EXPECT_THAT(other.Rotate(true, admin_), IsOk()); });
  EXPECT_THAT(rotation_->Rotate(true, admin_), IsOk());
  thread.join();
  EXPECT_THAT(rotation_->Step(), IsOk());
  EXPECT_NE(ActiveKey(), before);
  EXPECT_EQ(States().find("published"), std::string::npos);
  const auto records = store_->keys().ListKeys();
  EXPECT_EQ(std::count_if(records->begin(), records->end(),
                          [](const auto& key) { return key.state == SigningKeyState::kActive; }),
            1);
}

TEST_F(KeyRotationTest, WhatACompromisedActiveKeyHasSignedIsRefusedAtOnceAndAnotherSigns) {
  const std::string stolen = ActiveKey();
  const auto issued = Login();
  const std::string session_token = LoginForSessionToken()->credential;
  const auto active = rotation_->Revoke(stolen, admin_);
  ASSERT_THAT(active, IsOk());
  EXPECT_NE(active->key_id, stolen);
  EXPECT_NE(Verdict(issued->credential), "ACTIVE");
  EXPECT_THAT(Trusted(), ElementsAre(active->key_id));
  EXPECT_EQ(Verdict(Login()->credential), "ACTIVE");
  EXPECT_EQ(Verdict(session_token), "ACTIVE") << "nothing signs it";
  EXPECT_EQ(Verdict(Refresh(issued->refresh_token)->credential), "ACTIVE") << "the session goes on";
  EXPECT_THAT(Audited(), ElementsAre(stolen + " compromised", active->key_id + " active"));
  EXPECT_EQ(audit_.events().front().actor, "admin");
}

TEST_F(KeyRotationTest, ACompromisedRetiredKeyTakesNothingElseAlong) {
  const std::string old = ActiveKey();
  const std::string before = Login()->credential;
  ASSERT_THAT(rotation_->Rotate(true, admin_), IsOk());
  const std::string after = Login()->credential;
  const std::string active = ActiveKey();
  ASSERT_THAT(rotation_->Revoke(old, admin_), IsOk());
  EXPECT_NE(Verdict(before), "ACTIVE");
  EXPECT_EQ(Verdict(after), "ACTIVE");
  EXPECT_EQ(ActiveKey(), active);
  EXPECT_THAT(rotation_->Revoke(old, admin_), HasCode(absl::StatusCode::kNotFound));
}

TEST_F(KeyRotationTest, WhatAnotherServerHasDoneIsTakenOver) {
  const auto other_ring = *KeyRing::Open(store_->keys(), {.key_file = folder_.path() + "/key"}, clock_, SystemRandom());
  KeyRotation other(EnvironmentWith(hasher_, hash_executor_), *other_ring, audit_, KeySchedule());
  ASSERT_THAT(rotation_->Rotate(true, admin_), IsOk());
  EXPECT_NE(other_ring->active_record().key_id, ActiveKey());
  ASSERT_THAT(other.Step(), IsOk());
  EXPECT_EQ(other_ring->active_record().key_id, ActiveKey());
  EXPECT_EQ(other_ring->public_jwks().size(), 2u);
}

}  // namespace
}  // namespace watchword
