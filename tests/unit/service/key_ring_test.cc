#include "server/service/key_ring.h"

#include "gmock/gmock.h"
#include "testing/service_fixture.h"
#include "watchword/base/file.h"

namespace watchword {
namespace {

using testing::HasSubstr;

class KeyRingTest : public ServiceTest {
 protected:
  absl::StatusOr<std::unique_ptr<KeyRing>> Open(const std::string& key_file) {
    return KeyRing::Open(store_->keys(), {.key_file = key_file}, clock_, SystemRandom());
  }
  const std::string key_file_ = folder_.path() + "/key";
};

TEST_F(KeyRingTest, ASecondStartHasTheSameSecrets) {
  const auto again = Open(key_file_);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ((*again)->active_record().key_id, keys_->active_record().key_id);
  EXPECT_EQ((*again)->refresh_token_key().Reveal(), keys_->refresh_token_key().Reveal());
  EXPECT_EQ((*again)->session_binding_key().Reveal(), keys_->session_binding_key().Reveal());
  EXPECT_NE(keys_->refresh_token_key().Reveal(), keys_->session_binding_key().Reveal());
}

TEST_F(KeyRingTest, AMissingKeyFileStopsTheStartAndNoneIsMade) {
  const auto missing = Open(folder_.path() + "/other");
  EXPECT_THAT(missing, HasCode(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("--key-file"));
  EXPECT_THAT(ReadFile(folder_.path() + "/other", 100), HasCode(absl::StatusCode::kNotFound));
}

TEST_F(KeyRingTest, AnotherKeyFileStopsTheStart) {
  ASSERT_THAT(WriteSecretFile(folder_.path() + "/other", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"), IsOk());
  const auto wrong = Open(folder_.path() + "/other");
  EXPECT_THAT(wrong, HasCode(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("does not open"));
  EXPECT_THAT(Open(key_file_), IsOk());
}

constexpr char kNewKey[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";

TEST_F(KeyRingTest, ANewKeyBeforeTheOldOneSealsEverythingAnewAndThenTheOldOneCanGo) {
  const auto old_key = ReadFile(key_file_, 100);
  const std::string both = folder_.path() + "/both";
  ASSERT_THAT(WriteSecretFile(both, kNewKey + *old_key), IsOk());
  const auto anew = Open(both);
  ASSERT_THAT(anew, IsOk());
  EXPECT_EQ((*anew)->sealed_anew(), 3);
  const auto again = Open(both);
  EXPECT_EQ((*again)->sealed_anew(), 0) << "once";

  const std::string only_new = folder_.path() + "/new";
  ASSERT_THAT(WriteSecretFile(only_new, kNewKey), IsOk());
  const auto opened = Open(only_new);
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ((*opened)->active_record().key_id, keys_->active_record().key_id);
  EXPECT_EQ((*opened)->refresh_token_key().Reveal(), keys_->refresh_token_key().Reveal());
  const auto with_old = Open(key_file_);
  EXPECT_THAT(with_old, HasCode(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(std::string(with_old.status().message()), HasSubstr("does not open"));
}

TEST_F(KeyRingTest, AnOldKeyBeforeTheNewOneChangesNothing) {
  const auto old_key = ReadFile(key_file_, 100);
  const std::string both = folder_.path() + "/both";
  ASSERT_THAT(WriteSecretFile(both, *old_key + kNewKey), IsOk());
  const auto opened = Open(both);
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ((*opened)->sealed_anew(), 0);
  EXPECT_THAT(Open(key_file_), IsOk());
}

TEST_F(KeyRingTest, ARunningServerOpensWhatOthersSealWithAKeyThatHasComeToItsFile) {
  const auto old_key = ReadFile(key_file_, 100);
  const std::string other_file = folder_.path() + "/other";
  ASSERT_THAT(WriteSecretFile(other_file, kNewKey + *old_key), IsOk());
  const auto other = Open(other_file);
  const auto published = (*other)->MakeKey();
  ASSERT_EQ(*store_->keys().PublishKey(*published, keys_->active_record().key_id), true);
  EXPECT_THAT(keys_->Refresh(), HasCode(absl::StatusCode::kFailedPrecondition)) << "its file has the old one only";
  EXPECT_EQ(keys_->records().size(), 1u);
  EXPECT_THAT(keys_->active_key(), IsOk()) << "the active key is not concerned";
  ASSERT_THAT(WriteSecretFile(key_file_, *old_key + kNewKey), IsOk());
  EXPECT_THAT(keys_->Refresh(), IsOk());
  EXPECT_EQ(keys_->records().size(), 2u);
}

TEST_F(KeyRingTest, AServerOfASharedStoreThatCannotReadTheKeysSignsNothing) {
  const auto ring = *KeyRing::Open(store_->keys(), {.key_file = key_file_, .shared = true}, clock_, SystemRandom());
  clock_.Advance(KeyRing::kUsualAge);
  EXPECT_FALSE(ring->may_be_behind());
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_TRUE(ring->may_be_behind());
  EXPECT_FALSE(keys_->may_be_behind()) << "nobody else changes the keys of a store of its own";
  clock_.Advance(KeyRing::kMaxAge - KeyRing::kUsualAge - absl::Nanoseconds(1));
  EXPECT_THAT(ring->active_key(), IsOk());
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_THAT(ring->active_key(), HasCode(absl::StatusCode::kUnavailable));
  ASSERT_THAT(ring->Refresh(), IsOk());
  EXPECT_THAT(ring->active_key(), IsOk());
  EXPECT_FALSE(ring->may_be_behind());
}

TEST_F(KeyRingTest, SecretsLieSealedInTheStore) {
  const auto records = store_->keys().ListKeys();
  const auto sealed = store_->keys().FindSecret("refresh-token-key");
  ASSERT_THAT(sealed, IsOk());
  EXPECT_THAT(*sealed, testing::Not(HasSubstr(std::string(keys_->refresh_token_key().Reveal()))));
  ASSERT_EQ(records->size(), 1);
  EXPECT_EQ(records->front().key_id, keys_->active_record().key_id);
}

}  // namespace
}  // namespace watchword
