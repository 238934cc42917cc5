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
  EXPECT_EQ((*again)->active_key().key_id(), keys_->active_key().key_id());
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

TEST_F(KeyRingTest, SecretsLieSealedInTheStore) {
  const auto records = store_->keys().ListKeys();
  const auto sealed = store_->keys().FindSecret("refresh-token-key");
  ASSERT_THAT(sealed, IsOk());
  EXPECT_THAT(*sealed, testing::Not(HasSubstr(std::string(keys_->refresh_token_key().Reveal()))));
  ASSERT_EQ(records->size(), 1);
  EXPECT_EQ(records->front().key_id, keys_->active_key().key_id());
}

}  // namespace
}  // namespace watchword
