#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "testing/service_fixture.h"
#include "watchword/token/reasons.h"

namespace watchword {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class RefreshTest : public ServiceTest {
 protected:
  Uuid IdOf(const IssuedCredential& issued) { return *Uuid::Parse(issued.session_id); }
};

TEST_F(RefreshTest, GivesAnAccessTokenOfTheSameSessionAndTheNextRefreshToken) {
  const auto first = Login();
  clock_.Advance(absl::Minutes(4));
  const auto second = Refresh(first->refresh_token);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->session_id, first->session_id);
  EXPECT_NE(second->refresh_token, first->refresh_token);
  EXPECT_EQ(second->expires_at, clock_.Now() + settings_.access_token_ttl);
  EXPECT_EQ(Verdict(second->credential), "ACTIVE");
}

TEST_F(RefreshTest, BoundSessionStaysBoundAndIsRefusedToOthers) {
  auto request = LoginOf(kAlice, kPassword);
  request.certificate_sha256 = std::string(32, 'a');
  const auto first = Login(std::move(request));
  ASSERT_THAT(first, IsOk());
  for (const std::string& other : {std::string(), std::string(32, 'b')}) {
    EXPECT_THAT(Refresh(first->refresh_token, other), HasReason(kTokenInvalid));
  }
  const auto second = Refresh(first->refresh_token, std::string(32, 'a'));
  ASSERT_THAT(second, IsOk()) << "a refusal has used up the token";
  EXPECT_EQ(Validate(second->credential)->certificate_sha256, std::string(32, 'a'));
  EXPECT_THAT(Refresh(second->refresh_token, std::string(32, 'b')), HasReason(kTokenInvalid));
  EXPECT_EQ(Validate(first->credential)->certificate_sha256, std::string(32, 'a'));
  EXPECT_EQ(Validate(Login()->credential)->certificate_sha256, "");
}

TEST_F(RefreshTest, AUsedTokenGetsTheSameSuccessorUntilTheGracePeriodEnds) {
  const auto first = Login();
  const auto second = Refresh(first->refresh_token);
  clock_.Advance(settings_.refresh_grace - absl::Microseconds(1));
  const auto repeated = Refresh(first->refresh_token);
  ASSERT_THAT(repeated, IsOk());
  EXPECT_EQ(repeated->refresh_token, second->refresh_token);
}

TEST_F(RefreshTest, AUsedTokenAfterTheGracePeriodEndsTheSessionEverywhere) {
  const auto first = Login();
  const auto second = Refresh(first->refresh_token);
  clock_.Advance(settings_.refresh_grace);
  const auto reused = Refresh(first->refresh_token);
  EXPECT_THAT(reused, HasCode(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(reused, HasReason(kRefreshTokenReused));
  EXPECT_EQ(Verdict(second->credential), "TOKEN_REVOKED");
  EXPECT_THAT(Refresh(second->refresh_token), HasReason(kTokenRevoked));
  EXPECT_THAT(*store_->revocations().ReadAfter(0, 10), SizeIs(1));
  EXPECT_THAT(log_.text(), HasSubstr("a refresh token was used twice"));
}

TEST_F(RefreshTest, TheGrandparentOfTheNewestTokenIsReuseEvenWithinTheGracePeriod) {
  const auto first = Login();
  const auto second = Refresh(first->refresh_token);
  ASSERT_THAT(Refresh(second->refresh_token), IsOk());
  EXPECT_THAT(Refresh(first->refresh_token), HasReason(kRefreshTokenReused));
}

TEST_F(RefreshTest, AnyNumberThatRaceGetTheSameOneSuccessor) {
  for (int round = 0; round < 20; ++round) {
    const auto first = Login();
    std::vector<std::thread> threads;
    Mutex mutex;
    std::set<std::string> successors;
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&] {
        const auto next = Refresh(first->refresh_token);
        MutexLock lock(mutex);
        successors.insert(next.ok() ? next->refresh_token : next.status().ToString());
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_THAT(successors, SizeIs(1));
    EXPECT_EQ(store_->sessions().Find(IdOf(*first))->session.generation, 1);
  }
}

TEST_F(RefreshTest, AfterLogoutIsOkNoRefreshOfTheSessionGivesALiveToken) {
  for (int round = 0; round < 20; ++round) {
    const auto first = Login();
    absl::StatusOr<IssuedCredential> racing = absl::UnknownError("not run");
    std::thread racer([&] { racing = Refresh(first->refresh_token); });
    EXPECT_THAT(Logout({.refresh_token = first->refresh_token}), IsOk());
    EXPECT_THAT(Refresh(first->refresh_token), HasReason(kTokenRevoked));
    racer.join();
    if (racing.ok()) {
      EXPECT_EQ(Verdict(racing->credential), "TOKEN_REVOKED");
    }
  }
}

TEST_F(RefreshTest, TheLastAccessTokenOfASessionEndsWithTheSession) {
  settings_.session_idle_timeout = settings_.session_lifetime;
  const auto first = Login();
  clock_.Advance(settings_.session_lifetime - absl::Seconds(2));
  const auto last = Refresh(first->refresh_token);
  ASSERT_THAT(last, IsOk());
  EXPECT_LE(last->expires_at, store_->sessions().Find(IdOf(*first))->session.expires_at);
  clock_.Advance(absl::Seconds(2));
  EXPECT_THAT(Refresh(last->refresh_token), HasReason(kTokenExpired));
}

TEST_F(RefreshTest, AnIdleSessionEndsExactlyAtItsTimeout) {
  const auto first = Login();
  clock_.Advance(settings_.session_idle_timeout - absl::Microseconds(1));
  const auto second = Refresh(first->refresh_token);
  ASSERT_THAT(second, IsOk());
  clock_.Advance(settings_.session_idle_timeout);
  EXPECT_THAT(Refresh(second->refresh_token), HasReason(kTokenExpired));
}

TEST_F(RefreshTest, ADisabledUserGetsNothingAndEnablingBringsNoSessionBack) {
  const auto first = Login();
  ASSERT_THAT(SetDisabled(kAlice, true), IsOk());
  EXPECT_THAT(Refresh(first->refresh_token), HasReason(kTokenRevoked));
  EXPECT_EQ(Verdict(first->credential), "TOKEN_REVOKED");
  ASSERT_THAT(SetDisabled(kAlice, false), IsOk());
  EXPECT_THAT(Refresh(first->refresh_token), HasReason(kTokenRevoked));
}

TEST_F(RefreshTest, ANewPasswordEndsEverySession) {
  const auto first = Login();
  const auto second = LoginForSessionToken();
  ASSERT_THAT(Await<PrincipalRecord>([&](Done<PrincipalRecord> done) {
                accounts_->SetPassword(kAlice, Secret::CopyOf("another good password"), kNoDeadline, std::move(done));
              }),
              IsOk());
  EXPECT_THAT(Refresh(first->refresh_token), HasReason(kTokenRevoked));
  EXPECT_EQ(Verdict(first->credential), "TOKEN_REVOKED");
  EXPECT_EQ(Verdict(second->credential), "TOKEN_REVOKED");
  EXPECT_THAT(Login(), HasReason(kInvalidCredentials));
  EXPECT_THAT(Login(LoginOf(kAlice, "another good password")), IsOk());
}

TEST_F(RefreshTest, EverythingForgedOrMalformedIsInvalid) {
  const auto first = Login();
  for (size_t i = 0; i < first->refresh_token.size(); ++i) {
    std::string forged = first->refresh_token;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    EXPECT_THAT(Refresh(forged), HasReason(kTokenInvalid)) << forged;
  }
  EXPECT_THAT(Refresh(first->credential), HasReason(kTokenInvalid));
  EXPECT_EQ(FieldViolationOf(Refresh("").status())->field, "refresh_token");
  EXPECT_THAT(Refresh(first->refresh_token), IsOk());  // none of that used it up
}

}  // namespace
}  // namespace watchword
