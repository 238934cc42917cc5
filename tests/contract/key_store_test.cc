#include <algorithm>
#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "contract.h"

namespace watchword {
namespace {

class KeyStoreContract : public StoreContract {
 protected:
  SigningKeyRecord NewKey(const std::string& id) {
    SigningKeyRecord key;
    key.state = SigningKeyState::kActive;
    key.key_id = id;
    key.algorithm = "ES256";
    key.sealed_private_key = std::string("\0sealed\xff", 8);
    key.created_at = now_ + kTick;
    key.changed_at = key.created_at;
    return key;
  }

  // "k2:published k1:active", in the order of ids.
  std::string States() {
    std::vector<std::string> states;
    const auto listed = keys().ListKeys();
    for (const SigningKeyRecord& key : *listed) {
      const char* const names[] = {"", "published", "active", "retired"};
      states.push_back(absl::StrCat(key.key_id, ":", names[static_cast<int>(key.state)]));
    }
    std::sort(states.begin(), states.end());
    return absl::StrJoin(states, " ");
  }
  SigningKeyRecord Find(const std::string& id) {
    const auto listed = keys().ListKeys();
    for (const SigningKeyRecord& key : *listed) {
      if (key.key_id == id) return key;
    }
    return {};
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
  EXPECT_EQ(listed->front().changed_at, key.changed_at);
}

TEST_P(KeyStoreContract, OfServersThatStartTogetherOneAddsTheFirstKey) {
  std::atomic<int> added = 0;
  InParallel(8, [&](int i) { added += *keys().AddFirstKey(NewKey(absl::StrCat("k", i))) ? 1 : 0; });
  EXPECT_EQ(added, 1);
  EXPECT_EQ(keys().ListKeys()->size(), 1u);
}

TEST_P(KeyStoreContract, KeyIsPublishedThenActiveThenRetiredThenGone) {
  ASSERT_EQ(*keys().AddFirstKey(NewKey("k1")), true);
  EXPECT_EQ(*keys().PublishKey(NewKey("k2"), "k1"), true);
  EXPECT_EQ(States(), "k1:active k2:published");
  EXPECT_EQ(Find("k2").changed_at, NewKey("k2").changed_at);
  const absl::Time later = now_ + absl::Hours(1);
  EXPECT_EQ(*keys().ActivateKey("k2", "k1", later), true);
  Reopen();
  EXPECT_EQ(States(), "k1:retired k2:active");
  EXPECT_EQ(Find("k1").changed_at, later);
  EXPECT_EQ(Find("k2").changed_at, later);
  EXPECT_EQ(Find("k2").created_at, NewKey("k2").created_at);
  EXPECT_EQ(*keys().DeleteRetiredKey("k1"), true);
  EXPECT_EQ(*keys().DeleteRetiredKey("k1"), false);
  EXPECT_EQ(States(), "k2:active");
}

TEST_P(KeyStoreContract, AKeyChangesOnlyFromTheStateBefore) {
  ASSERT_EQ(*keys().AddFirstKey(NewKey("k1")), true);
  EXPECT_EQ(*keys().PublishKey(NewKey("k2"), "k0"), false) << "another key is active";
  EXPECT_EQ(*keys().ActivateKey("k2", "k1", now_), false) << "it is not published";
  EXPECT_EQ(*keys().DeleteRetiredKey("k1"), false) << "it is active";
  ASSERT_EQ(*keys().PublishKey(NewKey("k2"), "k1"), true);
  EXPECT_EQ(*keys().PublishKey(NewKey("k3"), "k1"), false) << "one is published already";
  EXPECT_EQ(*keys().ActivateKey("k2", "k0", now_), false) << "another key is active";
  EXPECT_EQ(*keys().DeleteRetiredKey("k2"), false) << "it is published";
  EXPECT_EQ(States(), "k1:active k2:published");
  ASSERT_EQ(*keys().ActivateKey("k2", "k1", now_), true);
  EXPECT_EQ(*keys().ActivateKey("k2", "k1", now_), false) << "it is active already";
  EXPECT_EQ(*keys().ActivateKey("k1", "k2", now_), false) << "it has been active";
  EXPECT_EQ(States(), "k1:retired k2:active");
}

TEST_P(KeyStoreContract, OfServersThatRotateTogetherOneMakesANewKey) {
  ASSERT_EQ(*keys().AddFirstKey(NewKey("k")), true);
  std::atomic<int> published = 0;
  std::atomic<int> activated = 0;
  InParallel(8, [&](int i) {
    const std::string id = absl::StrCat("k", i);
    if (!*keys().PublishKey(NewKey(id), "k")) return;
    ++published;
    if (*keys().ActivateKey(id, "k", now_)) ++activated;
  });
  EXPECT_EQ(published, 1);
  EXPECT_EQ(activated, 1);
  EXPECT_EQ(keys().ListKeys()->size(), 2u);
}

TEST_P(KeyStoreContract, ARevokedKeyIsGoneAndInTheLog) {
  ASSERT_EQ(*keys().AddFirstKey(NewKey("k1")), true);
  ASSERT_EQ(*keys().PublishKey(NewKey("k2"), "k1"), true);
  ASSERT_EQ(*keys().ActivateKey("k2", "k1", now_), true);
  const absl::Time expires_at = now_ + absl::Hours(1);
  const auto revoked = keys().RevokeKey("k1", NewKey("k3"), now_, expires_at);
  ASSERT_THAT(revoked, IsOk());
  EXPECT_FALSE(revoked->replaced);
  EXPECT_EQ(States(), "k2:active") << "the active one signs on";
  const auto log = revocations().ReadAfter(0, 10);
  ASSERT_EQ(log->size(), 1u);
  EXPECT_EQ(log->front().seq, revoked->revocation.seq);
  EXPECT_EQ(log->front().kind, RevocationKind::kKey);
  EXPECT_EQ(log->front().key_id, "k1");
  EXPECT_EQ(log->front().expires_at, expires_at);
  EXPECT_THAT(keys().RevokeKey("k1", NewKey("k3"), now_, expires_at), HasCode(absl::StatusCode::kNotFound));
  EXPECT_EQ(revocations().GetHead()->seq, 1u) << "nothing is appended for a key that is not there";
}

TEST_P(KeyStoreContract, ARevokedActiveKeyIsReplacedAndTakesThePublishedOneAlong) {
  ASSERT_EQ(*keys().AddFirstKey(NewKey("k1")), true);
  ASSERT_EQ(*keys().PublishKey(NewKey("k2"), "k1"), true);
  const auto revoked = keys().RevokeKey("k1", NewKey("k3"), now_, now_ + absl::Hours(1));
  ASSERT_THAT(revoked, IsOk());
  EXPECT_TRUE(revoked->replaced);
  Reopen();
  EXPECT_EQ(States(), "k3:active");
}

TEST_P(KeyStoreContract, OfServersThatRevokeAKeyTogetherOneDoes) {
  ASSERT_EQ(*keys().AddFirstKey(NewKey("k")), true);
  std::atomic<int> revoked = 0;
  InParallel(8, [&](int i) {
    revoked += keys().RevokeKey("k", NewKey(absl::StrCat("k", i)), now_, now_ + absl::Hours(1)).ok() ? 1 : 0;
  });
  EXPECT_EQ(revoked, 1);
  EXPECT_EQ(keys().ListKeys()->size(), 1u);
  EXPECT_EQ(revocations().GetHead()->seq, 1u);
}

TEST_P(KeyStoreContract, WhatIsSealedIsReplacedOnlyIfNobodyDidBefore) {
  const SigningKeyRecord key = NewKey("k1");
  ASSERT_EQ(*keys().AddFirstKey(key), true);
  ASSERT_EQ(*keys().AddSecret("refresh", "old"), true);
  const std::string sealed("\0new\xff", 5);
  EXPECT_EQ(*keys().ReplaceSealedKey("k1", key.sealed_private_key, sealed), true);
  EXPECT_EQ(*keys().ReplaceSealedKey("k1", key.sealed_private_key, "newer"), false);
  EXPECT_EQ(*keys().ReplaceSecret("refresh", "old", sealed), true);
  EXPECT_EQ(*keys().ReplaceSecret("refresh", "old", "newer"), false);
  EXPECT_EQ(*keys().ReplaceSecret("other", "old", "newer"), false);
  Reopen();
  EXPECT_EQ(Find("k1").sealed_private_key, sealed);
  EXPECT_EQ(*keys().FindSecret("refresh"), sealed);
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
