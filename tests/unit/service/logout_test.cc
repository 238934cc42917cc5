#include <string>

#include "gmock/gmock.h"
#include "testing/service_fixture.h"
#include "watchword/token/reasons.h"

namespace watchword {
namespace {

using testing::SizeIs;

class LogoutTest : public ServiceTest {
 protected:
  size_t LogSize() { return store_->revocations().ReadAfter(0, 100)->size(); }
};

TEST_F(LogoutTest, EndsTheSessionOfAnyOfItsCredentialsAndNoOther) {
  const auto by_access = Login();
  const auto by_session = LoginForSessionToken();
  const auto by_refresh = Login();
  const auto other = Login();
  EXPECT_THAT(Logout({.bearer = by_access->credential}), IsOk());
  EXPECT_THAT(Logout({.bearer = by_session->credential}), IsOk());
  EXPECT_THAT(Logout({.refresh_token = by_refresh->refresh_token}), IsOk());
  EXPECT_EQ(Verdict(by_access->credential), "TOKEN_REVOKED");
  EXPECT_EQ(Verdict(by_session->credential), "TOKEN_REVOKED");
  EXPECT_EQ(Verdict(by_refresh->credential), "TOKEN_REVOKED");
  EXPECT_EQ(Verdict(other->credential), "ACTIVE");
}

TEST_F(LogoutTest, AnExpiredAccessTokenStillEndsItsSession) {
  const auto issued = Login();
  clock_.Advance(absl::Hours(2));
  ASSERT_EQ(Verdict(issued->credential), "TOKEN_EXPIRED");
  EXPECT_THAT(Logout({.bearer = issued->credential}), IsOk());
  EXPECT_THAT(Refresh(issued->refresh_token), HasReason(kTokenRevoked));
}

TEST_F(LogoutTest, TwiceIsOnceAndIsOk) {
  const auto issued = Login();
  EXPECT_THAT(Logout({.bearer = issued->credential}), IsOk());
  EXPECT_THAT(Logout({.bearer = issued->credential}), IsOk());
  EXPECT_EQ(LogSize(), 1);
}

TEST_F(LogoutTest, CredentialsThatMeanNothingHereAreOkAndWriteNothing) {
  EXPECT_THAT(Logout({.bearer = "a.b.c"}), IsOk());
  EXPECT_THAT(Logout({.bearer = "ww_s_unknown"}), IsOk());
  EXPECT_THAT(Logout({.refresh_token = "ww_r_unknown"}), IsOk());
  EXPECT_EQ(LogSize(), 0);
}

TEST_F(LogoutTest, NoCredentialOrOneThatIsNoRefreshTokenIsABadRequest) {
  EXPECT_EQ(FieldViolationOf(Logout({}))->field, "refresh_token");
  EXPECT_EQ(FieldViolationOf(Logout({.refresh_token = "eyJ"}))->field, "refresh_token");
}

TEST_F(LogoutTest, AllSessionsOfThePrincipalEndByOneEntry) {
  ASSERT_THAT(CreateUser("bob", kPassword), IsOk());
  const auto first = Login();
  const auto second = LoginForSessionToken();
  const auto bob = Login(LoginOf("bob", kPassword));
  EXPECT_THAT(Logout({.bearer = first->credential, .all_sessions = true}), IsOk());
  EXPECT_EQ(LogSize(), 1);
  EXPECT_EQ(Verdict(first->credential), "TOKEN_REVOKED");
  EXPECT_EQ(Verdict(second->credential), "TOKEN_REVOKED");
  EXPECT_EQ(Verdict(bob->credential), "ACTIVE");
  EXPECT_EQ(Verdict(Login()->credential), "ACTIVE");
}

TEST_F(LogoutTest, AStolenTokenOfAnEndedSessionEndsNoOtherSession) {
  const auto stolen = Login();
  const auto other = Login();
  ASSERT_THAT(Logout({.bearer = stolen->credential}), IsOk());
  clock_.Advance(absl::Hours(3));  // long after the revocation was forgotten
  trust_.revocations().DropExpired(clock_.Now());
  EXPECT_THAT(Logout({.bearer = stolen->credential, .all_sessions = true}), IsOk());
  EXPECT_THAT(Refresh(other->refresh_token), IsOk());
}

TEST_F(LogoutTest, ATokenOfASessionThatIsOverEndsNoOtherSession) {
  const auto old = Login();
  clock_.Advance(settings_.session_idle_timeout);
  const auto other = Login();
  EXPECT_THAT(Logout({.bearer = old->credential, .all_sessions = true}), IsOk());
  EXPECT_EQ(Verdict(other->credential), "ACTIVE");
}

TEST_F(LogoutTest, SessionsAreListedAndRevokedById) {
  const auto first = Login();
  clock_.Advance(absl::Seconds(1));
  const auto second = Login();
  const auto list = [&](std::string before) {
    return *Await<std::vector<SessionRecord>>([&](Done<std::vector<SessionRecord>> done) {
      sessions_->List(kAlice, std::move(before), 1, kNoDeadline, std::move(done));
    });
  };
  ASSERT_THAT(list(""), SizeIs(1));
  EXPECT_EQ(list("")[0].id.ToString(), second->session_id);
  EXPECT_EQ(list(second->session_id)[0].id.ToString(), first->session_id);
  const auto revoke = [&](std::string id) {
    return Await<Uuid>([&](Done<Uuid> done) { sessions_->Revoke(std::move(id), kNoDeadline, std::move(done)); });
  };
  EXPECT_THAT(revoke(first->session_id), IsOk());
  EXPECT_THAT(revoke(first->session_id), IsOk());
  EXPECT_EQ(Verdict(first->credential), "TOKEN_REVOKED");
  EXPECT_EQ(Verdict(second->credential), "ACTIVE");
  EXPECT_THAT(revoke("00000000-0000-7000-8000-000000000000"), HasReason(kSessionNotFound));
  EXPECT_EQ(FieldViolationOf(revoke("x").status())->field, "session_id");
}

}  // namespace
}  // namespace watchword
