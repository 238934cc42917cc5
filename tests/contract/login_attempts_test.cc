#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "contract.h"

namespace watchword {
namespace {

using Records = absl::Span<LoginAttemptsRecord>;

class LoginAttemptsContract : public StoreContract {
 protected:
  LoginAttempts& attempts() { return store_->login_attempts(); }

  static std::string Key(char c) { return std::string(32, c); }

  static void ExpectSame(const LoginAttemptsRecord& a, const LoginAttemptsRecord& b) {
    EXPECT_EQ(a.failures, b.failures);
    EXPECT_EQ(a.refused, b.refused);
    EXPECT_EQ(a.failed_at, b.failed_at);
    EXPECT_EQ(a.blocked_until, b.blocked_until);
    EXPECT_EQ(a.known_until, b.known_until);
    EXPECT_EQ(a.expires_at, b.expires_at);
  }

  void Expire(char key, absl::Time at) {
    ASSERT_THAT(attempts().Update({Key(key)}, [at](Records records) { records[0].expires_at = at; }), IsOk());
  }
};
INSTANTIATE_FOR_ALL_STORES(LoginAttemptsContract);

TEST_P(LoginAttemptsContract, WhatWasNeverKeptIsEmpty) {
  const auto found = attempts().Find({Key('a'), Key('b')});
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 2u);
  for (const LoginAttemptsRecord& record : *found) ExpectSame(record, {});
}

TEST_P(LoginAttemptsContract, RecordsAreKeptUnderTheirKeysWhateverTheOrder) {
  const LoginAttemptsRecord full{.failures = 3,
                                 .refused = 4,
                                 .failed_at = now_ + kTick,
                                 .blocked_until = now_ + absl::Hours(1),
                                 .known_until = now_ + absl::Hours(2),
                                 .expires_at = now_ + absl::Hours(3)};
  ASSERT_THAT(attempts().Update({Key('z'), Key('\0'), Key('\xff')},
                                [&](Records records) {
                                  ASSERT_EQ(records.size(), 3u);
                                  records[0] = full;
                                  records[1].failures = 1;
                                  records[2].failures = 2;
                                }),
              IsOk());
  Reopen();
  const auto found = attempts().Find({Key('\xff'), Key('n'), Key('z'), Key('\0')});
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 4u);
  EXPECT_EQ((*found)[0].failures, 2);
  ExpectSame((*found)[1], {});
  ExpectSame((*found)[2], full);
  EXPECT_EQ((*found)[3].failures, 1);
}

TEST_P(LoginAttemptsContract, AnUpdateSeesWhatTheOneBeforeHasLeft) {
  const auto add = [&](char key) {
    EXPECT_THAT(
        attempts().Update({Key(key), Key('s')}, [](Records both) { both[0].failures += 1, both[1].refused += 2; }),
        IsOk());
  };
  add('a');
  add('b');
  add('a');
  const auto found = attempts().Find({Key('a'), Key('b'), Key('s')});
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ((*found)[0].failures, 2);
  EXPECT_EQ((*found)[1].failures, 1);
  EXPECT_EQ((*found)[2].refused, 6);
}

TEST_P(LoginAttemptsContract, NoneOfManyUpdatesAtOnceIsLost) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 25;
  InParallel(kThreads, [&](int i) {
    // In one order by some and in another by others, and of records that are not there at first.
    std::vector<std::string> keys = {Key('a'), Key('s'), Key(static_cast<char>('A' + i))};
    if (i % 2 == 1) std::reverse(keys.begin(), keys.end());
    for (int round = 0; round < kRounds; ++round) {
      EXPECT_THAT(attempts().Update(keys,
                                    [](Records records) {
                                      for (LoginAttemptsRecord& record : records) ++record.failures;
                                    }),
                  IsOk());
    }
  });
  const auto found = attempts().Find({Key('a'), Key('s'), Key('A'), Key('H')});
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ((*found)[0].failures, kThreads * kRounds);
  EXPECT_EQ((*found)[1].failures, kThreads * kRounds);
  EXPECT_EQ((*found)[2].failures, kRounds);
  EXPECT_EQ((*found)[3].failures, kRounds);
}

TEST_P(LoginAttemptsContract, WhatHasExpiredIsDeletedTheOldestFirst) {
  Expire('c', now_ + kTick);
  Expire('b', now_);
  Expire('a', now_ - absl::Hours(1));
  Expire('d', now_ + absl::Hours(1));
  EXPECT_EQ(*attempts().DeleteExpired(now_ - absl::Hours(2), 10), 0u);
  EXPECT_EQ(*attempts().DeleteExpired(now_ + 2 * kTick, 2), 2u);
  const auto found = attempts().Find({Key('a'), Key('b'), Key('c'), Key('d')});
  ASSERT_THAT(found, IsOk());
  ExpectSame((*found)[0], {});
  ExpectSame((*found)[1], {});
  EXPECT_EQ((*found)[2].expires_at, now_ + kTick);
  EXPECT_EQ(*attempts().DeleteExpired(now_ + 2 * kTick, 10), 1u);
  EXPECT_EQ((*attempts().Find({Key('d')}))[0].expires_at, now_ + absl::Hours(1));
}

}  // namespace
}  // namespace watchword
