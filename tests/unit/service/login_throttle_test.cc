#include "server/service/login_throttle.h"

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "testing/service_fixture.h"
#include "watchword/base/file.h"
#include "watchword/base/reason.h"
#include "watchword/base/retry.h"

namespace watchword {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;
using testing::Not;

constexpr char kWrong[] = "wrong horse battery";
constexpr char kHome[] = "192.0.2.1";
constexpr char kElsewhere[] = "198.51.100.9";

class LoginThrottleTest : public ServiceTest {
 protected:
  // "OK", or the reason.
  std::string Try(const std::string& name, const std::string& password, const std::string& source) {
    auto request = LoginOf(name, password);
    request.source = source;
    return Outcome(Login(std::move(request)));
  }
  std::string TryWrong(const std::string& source, const std::string& name = kAlice) {
    return Try(name, kWrong, source);
  }
  std::string TryRight(const std::string& source) { return Try(kAlice, kPassword, source); }

  static std::string Outcome(const absl::StatusOr<IssuedCredential>& issued) {
    return issued.ok() ? "OK" : ReasonOf(issued.status());
  }

  void Fail(int times, const std::string& source, const std::string& name = kAlice) {
    for (int i = 0; i < times; ++i) ASSERT_EQ(TryWrong(source, name), kInvalidCredentials);
  }

  // How many wrong passwords in a row are judged, for somebody who waits just as long as is needed.
  int JudgedWithin(absl::Duration time, const std::string& source) {
    int judged = 0;
    for (const absl::Time end = clock_.Now() + time; clock_.Now() < end;) {
      const auto answer = throttle_->Settle({kAlice, source}, false);
      if (answer.ok() && *answer != LoginThrottle::Answer::kLocked) ++judged;
      clock_.Advance(absl::Minutes(5));
    }
    return judged;
  }
};

TEST_F(LoginThrottleTest, AfterAFewFailuresTheRightPasswordIsRefusedLikeAWrongOneUntilTheBlockEnds) {
  Fail(5, kElsewhere);
  EXPECT_EQ(TryRight(kElsewhere), kInvalidCredentials);
  clock_.Advance(absl::Milliseconds(999));
  EXPECT_EQ(TryRight(kElsewhere), kInvalidCredentials);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(TryRight(kElsewhere), "OK");
}

TEST_F(LoginThrottleTest, ABlockGrowsWithEachFailureAndAttemptsMeanwhileDoNotProlongIt) {
  Fail(5, kElsewhere);
  clock_.Advance(absl::Seconds(1));
  Fail(1, kElsewhere);  // blocks for 2 s
  Fail(10, kElsewhere);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(TryRight(kElsewhere), kInvalidCredentials);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(TryRight(kElsewhere), "OK");
}

TEST_F(LoginThrottleTest, WhoeverLeavesWhileThePasswordIsHashedHasFailedAllTheSame) {
  for (int i = 0; i < 5; ++i) {
    auto request = LoginOf(kAlice, kWrong);
    request.source = kElsewhere;
    request.is_cancelled = [asked = false]() mutable { return std::exchange(asked, true); };
    EXPECT_THAT(Login(std::move(request)), HasReason(kInvalidCredentials));
  }
  EXPECT_EQ(TryRight(kElsewhere), kInvalidCredentials);
}

TEST_F(LoginThrottleTest, ASuccessEndsTheRow) {
  for (int i = 0; i < 5; ++i) {
    Fail(4, kHome);
    EXPECT_EQ(TryRight(kHome), "OK");
  }
}

TEST_F(LoginThrottleTest, WhoeverFailsOnPurposeShutsOutNobodyWhoHasLoggedInFromElsewhereBefore) {
  ASSERT_EQ(TryRight(kHome), "OK");
  Fail(40, kElsewhere);
  EXPECT_EQ(TryRight(kElsewhere), kInvalidCredentials);
  EXPECT_EQ(TryRight(kHome), "OK");
  // Nor does that give the other one anything back.
  EXPECT_EQ(TryRight(kElsewhere), kInvalidCredentials);
}

TEST_F(LoginThrottleTest, ASourceThatIsKnownHasABudgetOfItsOwnThatEndsAsWell) {
  ASSERT_EQ(TryRight(kHome), "OK");
  Fail(5, kHome);
  EXPECT_EQ(TryRight(kHome), kInvalidCredentials);
  EXPECT_EQ(TryRight(kElsewhere), "OK") << "strangers have theirs";
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(TryRight(kHome), "OK");
}

TEST_F(LoginThrottleTest, ASourceIsKnownForThreeMonthsAfterTheLastLogin) {
  ASSERT_EQ(TryRight(kHome), "OK");
  clock_.Advance(absl::Hours(24 * 80));
  ASSERT_EQ(TryRight(kHome), "OK");
  clock_.Advance(absl::Hours(24 * 80));
  Fail(5, kElsewhere);
  EXPECT_EQ(TryRight(kHome), "OK");
  clock_.Advance(absl::Hours(24 * 91));
  Fail(5, kElsewhere);
  EXPECT_EQ(TryRight(kHome), kInvalidCredentials);
}

TEST_F(LoginThrottleTest, StrangersAndKnownSourcesTogetherAreJudgedAHundredTimesInARowAndThenNotForADay) {
  ASSERT_EQ(TryRight(kHome), "OK");
  const int strangers = JudgedWithin(absl::Hours(14), kElsewhere);
  EXPECT_EQ(strangers, kMostAccountFailures);
  EXPECT_EQ(strangers + JudgedWithin(absl::Hours(14), kHome), 100);
  EXPECT_EQ(JudgedWithin(absl::Hours(4), "203.0.113.5"), 0) << "not from a third one either";
}

TEST_F(LoginThrottleTest, AnAccountIsForgottenAfterADayWithoutFailures) {
  Fail(4, kElsewhere);
  clock_.Advance(kForgetAccountAfter);
  Fail(4, kElsewhere);
  EXPECT_EQ(TryRight(kElsewhere), "OK");
}

TEST_F(LoginThrottleTest, AnAccountThatDoesNotExistIsBlockedInTheSameWay) {
  const auto state_of = [&](const std::string& name) {
    std::vector<LoginThrottle::Answer> answers;
    for (int i = 0; i < 8; ++i) answers.push_back(*throttle_->Settle({name, kElsewhere}, false));
    return answers;
  };
  EXPECT_EQ(state_of("nobody"), state_of(kAlice));
}

TEST_F(LoginThrottleTest, AllWaysToWriteANameAreOneAccount) {
  ASSERT_THAT(CreateUser("zo\u00eb", kPassword), IsOk());
  for (const char* name : {"zo\u00eb", "ZO\u00cb", "zoe\u0308", "\uff3a\uff2f\u00cb", "Zo\u00eb"}) {
    ASSERT_EQ(TryWrong(kElsewhere, name), kInvalidCredentials);
  }
  EXPECT_EQ(Try("zo\u00eb", kPassword, kElsewhere), kInvalidCredentials);
}

TEST_F(LoginThrottleTest, OfWrongPasswordsThatComeAtOnceNoMoreAreJudgedThanOfThoseThatComeInTurn) {
  std::atomic<int> judged = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 13; ++j) {
        const auto answer = throttle_->Settle({"newcomer", absl::StrCat("10.0.0.", j)}, false);
        if (answer.ok() && *answer != LoginThrottle::Answer::kLocked) ++judged;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(judged, 5);
}

TEST_F(LoginThrottleTest, RightPasswordsThatComeAtOnceAllSucceed) {
  std::vector<std::future<absl::StatusOr<IssuedCredential>>> logins;
  for (int i = 0; i < 50; ++i) {
    logins.push_back(std::async(std::launch::async, [this, i] {
      auto request = LoginOf(kAlice, kPassword);
      request.source = absl::StrCat("10.0.0.", i % 3);
      return Login(std::move(request));
    }));
  }
  for (auto& login : logins) EXPECT_EQ(Outcome(login.get()), "OK");
}

TEST_F(LoginThrottleTest, ASourceThatFailsTooOftenHasToWaitWhateverTheAccount) {
  for (int i = 0; i < 50; ++i) Fail(1, kElsewhere, absl::StrCat("user", i));
  auto request = LoginOf(kAlice, kPassword);
  request.source = kElsewhere;
  const absl::Status refused = Login(std::move(request)).status();
  EXPECT_THAT(refused, HasCode(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(refused, HasReason(kLoginThrottled));
  EXPECT_EQ(RetryDelayOf(refused), absl::Seconds(1));
  EXPECT_THAT(log_.text(), HasSubstr(kElsewhere));
  EXPECT_EQ(TryRight(kHome), "OK") << "others go on";
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(TryRight(kElsewhere), "OK");
}

TEST_F(LoginThrottleTest, ASourceIsBlockedAlsoForVerdictsThatWereUnderWay) {
  for (int i = 0; i < 50; ++i) Fail(1, kElsewhere, absl::StrCat("user", i));
  for (const bool right : {true, false}) {
    EXPECT_THAT(throttle_->Settle({kAlice, kElsewhere}, right), HasReason(kLoginThrottled));
  }
}

TEST_F(LoginThrottleTest, AServiceAccountIsNeverLockedSinceNobodyGuessesItsSecret) {
  const auto made = Await<Accounts::NewSecret>([&](Done<Accounts::NewSecret> done) {
    accounts_->CreateServiceAccount("orders", {}, kNoDeadline, std::move(done));
  });
  ASSERT_THAT(made, IsOk());
  Fail(45, kElsewhere, "orders");
  EXPECT_EQ(Try("orders", made->secret, kElsewhere), "OK");
}

TEST_F(LoginThrottleTest, ANewPasswordAndEnablingForgetWhatFailed) {
  Fail(10, kElsewhere);
  ASSERT_THAT(SetDisabled(kAlice, false), IsOk());
  EXPECT_EQ(TryRight(kElsewhere), "OK");
  Fail(10, "203.0.113.5");
  ASSERT_THAT(Await<PrincipalRecord>([&](Done<PrincipalRecord> done) {
                accounts_->SetPassword(kAlice, Secret::CopyOf("another horse battery"), kNoDeadline, std::move(done));
              }),
              IsOk());
  EXPECT_EQ(Try(kAlice, "another horse battery", "203.0.113.6"), "OK");
}

TEST_F(LoginThrottleTest, WhatIsWrongIsToldToTheAuditLogAndThatTheAccountIsBlockedOnce) {
  const auto note_of = [&](const std::string& password) {
    auto request = LoginOf(kAlice, password);
    request.source = kElsewhere;
    return AuditNoteOf(Login(std::move(request)).status());
  };
  int locking = 0;
  for (int i = 0; i < 5; ++i) {
    const AuditNote note = note_of(kWrong);
    EXPECT_EQ(note.cause, "wrong_password");
    locking += note.locks_account ? 1 : 0;
  }
  EXPECT_EQ(locking, 1);
  EXPECT_EQ(note_of(kPassword).cause, "locked");
  EXPECT_EQ(throttle_->refused_for_account(), 1u);
}

TEST_F(LoginThrottleTest, WhatIsStoredTellsNobodyWhatWasTyped) {
  Fail(2, kElsewhere, "typed-a-password-here");
  const auto read = ReadFile(folder_.path() + "/store.db-wal", size_t{64} << 20);
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(*read, Not(HasSubstr("typed-a-password-here")));
}

}  // namespace
}  // namespace watchword
