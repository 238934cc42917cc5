#include "watchword/trust/session_directory.h"

#include <map>
#include <utility>

#include "gmock/gmock.h"
#include "testing/status_matchers.h"
#include "testing/test_signer.h"
#include "watchword/base/reason.h"
#include "watchword/base/testing/fake_clock.h"
#include "watchword/token/opaque_token.h"
#include "watchword/token/reasons.h"
#include "watchword/trust/checker.h"

namespace watchword {
namespace {

using absl::StatusCode;
using Verdict = SessionDirectory::Verdict;

// Keeps what it is asked until the test answers.
class HeldSource final : public SessionDirectory::Source {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<SessionDirectory::Session>)>;
  void LookUp(const std::string& credential, Done done) override { asked.emplace_back(credential, std::move(done)); }
  void AnswerFirst(absl::StatusOr<SessionDirectory::Session> session) {
    Done done = std::move(asked.front().second);
    asked.erase(asked.begin());
    done(std::move(session));
  }
  std::vector<std::pair<std::string, Done>> asked;
};

class SessionDirectoryTest : public testing::Test {
 protected:
  static std::string Token(char c) { return FormatOpaqueToken(kSessionTokenPrefix, std::string(32, c)); }

  SessionDirectory::Session Good() const {
    Claims claims = GoodClaims(clock_.Now());
    claims.expires_at = clock_.Now() + absl::Hours(24);
    return {.claims = std::move(claims), .idle_timeout = absl::Hours(1)};
  }

  // Asks; the answer is there once the source has answered.
  std::shared_ptr<std::optional<Verdict>> LookUp(const std::string& token) {
    auto answer = std::make_shared<std::optional<Verdict>>();
    directory_.LookUp(token, [answer](Verdict verdict) { *answer = std::move(verdict); });
    return answer;
  }
  void Meet(const std::string& token) {
    LookUp(token);
    source_.AnswerFirst(Good());
  }
  bool IsKnown(const std::string& token) { return directory_.Find(token).has_value(); }
  std::string ReasonFor(const std::string& token) { return ReasonOf(directory_.Find(token)->status()); }

  FakeClock clock_;
  HeldSource source_;
  SessionDirectory directory_{source_, clock_};
};

TEST_F(SessionDirectoryTest, TokenItselfTellsTheCertificateThatItIsBoundTo) {
  const std::string certificate(32, 'c');
  const std::string bound = FormatOpaqueToken(kSessionTokenPrefix, std::string(32, 'a') + certificate);
  Meet(bound);
  EXPECT_EQ((**directory_.Find(bound))->claims().certificate_sha256, certificate);
  Meet(Token('a'));
  EXPECT_EQ((**directory_.Find(Token('a')))->claims().certificate_sha256, "");
}

TEST_F(SessionDirectoryTest, AskedOnceForAllWhoShowATokenAndThenKnown) {
  EXPECT_FALSE(IsKnown(Token('a')));
  std::vector<std::shared_ptr<std::optional<Verdict>>> answers;
  for (int i = 0; i < 100; ++i) answers.push_back(LookUp(Token('a')));
  ASSERT_EQ(source_.asked.size(), 1u);
  EXPECT_EQ(source_.asked[0].first, Token('a'));
  source_.AnswerFirst(Good());
  for (const auto& answer : answers) ASSERT_THAT(**answer, IsOk());
  EXPECT_THAT(*directory_.Find(Token('a')), IsOk());
  EXPECT_EQ(directory_.look_ups(), 1u);
}

TEST_F(SessionDirectoryTest, MalformedTokenIsRefusedWithoutALookUp) {
  for (std::string token : {std::string("ww_s_"), Token('a') + "x", Token('a').substr(0, 40), std::string("ww_s_!!")}) {
    EXPECT_EQ(ReasonFor(token), kTokenInvalid) << token;
  }
}

TEST_F(SessionDirectoryTest, RefusalIsRememberedForAWhile) {
  const auto answer = LookUp(Token('a'));
  source_.AnswerFirst(ErrorWithReason(StatusCode::kUnauthenticated, kTokenRevoked, "x"));
  EXPECT_THAT(**answer, HasReason(kTokenRevoked));
  EXPECT_EQ(ReasonFor(Token('a')), kTokenRevoked);
  clock_.Advance(absl::Seconds(10) - absl::Nanoseconds(1));
  EXPECT_TRUE(IsKnown(Token('a')));
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_FALSE(IsKnown(Token('a')));
}

TEST_F(SessionDirectoryTest, OutageIsReportedAsOneAndNotRemembered) {
  const auto answer = LookUp(Token('a'));
  source_.AnswerFirst(absl::InternalError("whatever"));
  EXPECT_THAT(**answer, HasCode(StatusCode::kUnavailable));
  EXPECT_THAT(**answer, HasReason(kTrustUnavailable));
  EXPECT_FALSE(IsKnown(Token('a')));
}

TEST_F(SessionDirectoryTest, IdleHereForTooLongItIsAskedAboutAgainSinceItMayHaveBeenUsedElsewhere) {
  Meet(Token('a'));
  clock_.Advance(absl::Hours(1) - absl::Microseconds(1));
  EXPECT_TRUE(IsKnown(Token('a')));  // a use, which puts the idle timeout off
  clock_.Advance(absl::Hours(1) - absl::Microseconds(1));
  EXPECT_TRUE(IsKnown(Token('a')));
  clock_.Advance(absl::Hours(1));
  EXPECT_FALSE(IsKnown(Token('a')));
}

TEST_F(SessionDirectoryTest, AfterTheEndOfItsSessionItHasExpiredHoweverMuchItIsUsed) {
  Meet(Token('a'));
  for (int i = 0; i < 23; ++i) {
    clock_.Advance(absl::Minutes(59));
    ASSERT_THAT(*directory_.Find(Token('a')), IsOk());
  }
  clock_.Advance(absl::Hours(24) - 23 * absl::Minutes(59) - absl::Nanoseconds(1));
  directory_.Find(Token('a'));
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_EQ(ReasonFor(Token('a')), kTokenExpired);
}

TEST_F(SessionDirectoryTest, LookUpsAreLimitedAndComeBackWithTime) {
  for (int i = 0; i < 200; ++i) LookUp(Token(static_cast<char>(i)));
  EXPECT_EQ(source_.asked.size(), 200u);
  const auto refused = LookUp(Token(static_cast<char>(200)));
  EXPECT_THAT(**refused, HasCode(StatusCode::kResourceExhausted));
  EXPECT_THAT(**refused, HasReason(kLookUpLimited));
  while (!source_.asked.empty()) source_.AnswerFirst(Good());
  clock_.Advance(absl::Milliseconds(50));  // 100 in a second
  for (int i = 201; i < 207; ++i) LookUp(Token(static_cast<char>(i)));
  EXPECT_EQ(source_.asked.size(), 5u);
}

TEST_F(SessionDirectoryTest, NoMoreThanALimitedNumberIsUnderWay) {
  for (int i = 0; i < 250; ++i) {
    clock_.Advance(absl::Seconds(1));
    LookUp(Token(static_cast<char>(i)));
  }
  EXPECT_EQ(source_.asked.size(), 250u);
  for (int i = 0; i < 10; ++i) LookUp(FormatOpaqueToken(kSessionTokenPrefix, std::string(31, 'x') + char('a' + i)));
  EXPECT_EQ(source_.asked.size(), 256u);
}

TEST_F(SessionDirectoryTest, NoMoreThanALimitedNumberOfCallsWaitsHoweverFewTokensTheyBring) {
  const auto first = LookUp(Token('a'));
  for (int i = 1; i < 10'000; ++i) LookUp(Token('a'));
  for (const char c : {'a', 'b'}) {
    const auto refused = LookUp(Token(c));
    ASSERT_NE(*refused, std::nullopt) << c;
    EXPECT_THAT(**refused, HasReason(kLookUpLimited)) << c;
  }
  source_.AnswerFirst(Good());
  EXPECT_THAT(**first, IsOk());
  EXPECT_EQ(*LookUp(Token('b')), std::nullopt);  // there is room again
  EXPECT_EQ(source_.asked.size(), 1u);
}

TEST_F(SessionDirectoryTest, UsesAreReportedOnce) {
  Meet(Token('a'));
  EXPECT_TRUE(directory_.TakeUses(10).empty());  // the look-up has told them of the first
  clock_.Advance(absl::Seconds(7));
  directory_.Find(Token('a'));
  const auto uses = directory_.TakeUses(10);
  ASSERT_EQ(uses.size(), 1u);
  EXPECT_EQ(uses[0].session_id, Good().claims.session_id);
  EXPECT_EQ(uses[0].last_used_at, clock_.Now());
  EXPECT_TRUE(directory_.TakeUses(10).empty());
}

TEST_F(SessionDirectoryTest, WhatDoesNotFitIntoOneReportIsInTheNext) {
  for (char c : {'a', 'b', 'c'}) Meet(Token(c));
  clock_.Advance(absl::Seconds(7));
  for (char c : {'a', 'b', 'c'}) directory_.Find(Token(c));
  EXPECT_EQ(directory_.TakeUses(2).size(), 2u);
  EXPECT_EQ(directory_.TakeUses(2).size(), 1u);
}

// The directory as the checker uses it.
class SessionTokenCheckTest : public SessionDirectoryTest {
 protected:
  SessionTokenCheckTest() { trust_.SetKeys(TestSigner(Algorithm::kEs256).keys()); }

  Verdict LookUpAndCheck(absl::StatusOr<SessionDirectory::Session> session) {
    Verdict verdict = absl::UnknownError("not answered");
    checker_.LookUp(Token('a'), [&verdict](Verdict answer) { verdict = std::move(answer); });
    source_.AnswerFirst(std::move(session));
    return verdict;
  }
  void Revoke() {
    trust_.revocations().Add({.target = Revocation::Session{Uuid::Parse(Good().claims.session_id).value()},
                              .expires_at = clock_.Now() + absl::Hours(48)},
                             clock_.Now());
  }

  TrustState trust_{clock_};
  CredentialChecker checker_{
      TokenVerifier::Create({.issuer = std::string(kTestIssuer), .audiences = {std::string(kTestAudience)}}).value(),
      trust_, clock_, 100, &directory_};
};

TEST_F(SessionTokenCheckTest, RevokedEvenIfItIsKnown) {
  EXPECT_EQ(checker_.CheckNow(Token('a')), std::nullopt);
  const Verdict verdict = LookUpAndCheck(Good());
  ASSERT_THAT(verdict, IsOk());
  EXPECT_THAT(checker_.Check(Token('a')), IsOk());
  EXPECT_THAT(checker_.Recheck(**verdict), IsOk());
  Revoke();
  EXPECT_THAT(checker_.Check(Token('a')), HasReason(kTokenRevoked));
  EXPECT_THAT(checker_.Recheck(**verdict), HasReason(kTokenRevoked));
}

TEST_F(SessionTokenCheckTest, RevocationThatComesBeforeTheAnswerOfTheLookUpCounts) {
  Verdict verdict = absl::UnknownError("not answered");
  checker_.LookUp(Token('a'), [&verdict](Verdict answer) { verdict = std::move(answer); });
  Revoke();
  source_.AnswerFirst(Good());
  EXPECT_THAT(verdict, HasReason(kTokenRevoked));
}

TEST_F(SessionTokenCheckTest, ForAnotherAudienceItIsInvalidHere) {
  SessionDirectory::Session session = Good();
  session.claims.audiences = {"billing"};
  EXPECT_THAT(LookUpAndCheck(session), HasReason(kTokenInvalid));
  EXPECT_THAT(checker_.Check(Token('a')), HasReason(kTokenInvalid));
}

TEST_F(SessionTokenCheckTest, WhoCannotWaitIsToldThatItCannotBeSaidNow) {
  EXPECT_THAT(checker_.Check(Token('a')), HasCode(StatusCode::kUnavailable));
  EXPECT_TRUE(source_.asked.empty());
}

TEST_F(SessionTokenCheckTest, OpenStreamEndsWithItsSession) {
  const Verdict verdict = LookUpAndCheck(Good());
  clock_.Advance(absl::Hours(24) - absl::Nanoseconds(1));
  EXPECT_THAT(checker_.Recheck(**verdict), IsOk());
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_THAT(checker_.Recheck(**verdict), HasReason(kTokenExpired));
}

}  // namespace
}  // namespace watchword
