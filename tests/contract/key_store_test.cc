#include <atomic>

#include "absl/strings/str_cat.h"
#include "contract.h"

namespace watchword {
namespace {

class KeyStoreContract : public StoreContract {
 protected:
  SigningKeyRecord NewKey(const std::string& id) {
    SigningKeyRecord key;
    key.key_id = id;
    key.algorithm = "ES256";
    key.sealed_private_key = std::string("\0sealed\xff", 8);
    key.created_at = now_ + kTick;
    return key;
  }
};
INSTANTIATE_FOR_ALL_STORES(KeyStoreContract);

TEST_P(KeyStoreContract, FirstKeyIsKeptAsItIs) {
  EXPECT_TRUE(keys().ListKeys()->empty());
  const SigningKeyRecord key = NewKey("k1");
  EXPECT_EQ(*keys().AddFirstKey(key), true);
  Reopen();
  auto listed = keys().ListKeys();
  ASSERT_THAT(listed, IsOk());
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ(listed->front().key_id, key.key_id);
  EXPECT_EQ(listed->front().algorithm, key.algorithm);
  EXPECT_EQ(listed->front().state, key.state);
  EXPECT_EQ(listed->front().sealed_private_key, key.sealed_private_key);
  EXPECT_EQ(listed->front().created_at, key.created_at);
}

TEST_P(KeyStoreContract, OfServersThatStartTogetherOneAddsTheFirstKey) {
  std::atomic<int> added = 0;
  InParallel(8, [&](int i) { added += *keys().AddFirstKey(NewKey(absl::StrCat("k", i))) ? 1 : 0; });
  EXPECT_EQ(added, 1);
  EXPECT_EQ(keys().ListKeys()->size(), 1u);
}

TEST_P(KeyStoreContract, SecretIsAddedOnceAndKept) {
  EXPECT_THAT(keys().FindSecret("refresh"), HasCode(absl::StatusCode::kNotFound));
  const std::string sealed("\0\xff secret", 9);
  EXPECT_EQ(*keys().AddSecret("refresh", sealed), true);
  EXPECT_EQ(*keys().AddSecret("refresh", "another"), false);
  EXPECT_EQ(*keys().AddSecret("binding", ""), true);
  Reopen();
  EXPECT_EQ(*keys().FindSecret("refresh"), sealed);
  EXPECT_EQ(*keys().FindSecret("binding"), "");
}

}  // namespace
}  // namespace watchword
