#include <string>

#include "gmock/gmock.h"
#include "server/crypto/session_secrets.h"
#include "server/service/janitor.h"
#include "testing/service_fixture.h"
#include "watchword/token/reasons.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ValidateTest : public ServiceTest {
 protected:
  absl::StatusOr<Validation> ValidateFor(const std::string& caller, const std::string& credential) {
    return Await<Validation>([&](Done<Validation> done) {
      validate_->RunFor({caller, ""}, credential, kNoDeadline, std::move(done));
    });
  }
};

TEST_F(ValidateTest, TellsWhoseCredentialItIsForBothKinds) {
  for (const auto& issued : {Login(), LoginForSessionToken()}) {
    const auto validation = Validate(issued->credential);
    ASSERT_THAT(validation, IsOk());
    EXPECT_TRUE(validation->active);
    EXPECT_EQ(validation->username, kAlice);
    EXPECT_EQ(validation->subject, store_->users().FindByName(kAlice)->id.ToString());
    EXPECT_EQ(validation->session_id, issued->session_id);
    EXPECT_THAT(validation->audiences, ElementsAre(kIssuer));
    EXPECT_THAT(validation->scopes, ElementsAre("orders.read", "watchword.validate"));
  }
}

TEST_F(ValidateTest, ABadCredentialIsAnAnswerAndSaysNothingElse) {
  const auto session = LoginForSessionToken();
  std::string forged = session->credential;
  forged[10] = forged[10] == 'A' ? 'B' : 'A';
  for (const std::string& bad : {std::string("x"), forged, std::string("ww_s_"), std::string("a.b.c")}) {
    const auto validation = Validate(bad);
    ASSERT_THAT(validation, IsOk()) << bad;
    EXPECT_FALSE(validation->active);
    EXPECT_EQ(validation->reason, kTokenInvalid);
    EXPECT_THAT(validation->subject, IsEmpty());
  }
}

TEST_F(ValidateTest, ASessionTokenEndsExactlyAtItsIdleTimeout) {
  const auto used = LoginForSessionToken();
  clock_.Advance(settings_.session_idle_timeout - absl::Microseconds(1));
  EXPECT_EQ(Verdict(used->credential), "ACTIVE");
  clock_.Advance(settings_.session_idle_timeout - absl::Microseconds(1));
  EXPECT_EQ(Verdict(used->credential), "ACTIVE");  // the use before counted
  clock_.Advance(settings_.session_idle_timeout);
  EXPECT_EQ(Verdict(used->credential), "TOKEN_EXPIRED");
}

TEST_F(ValidateTest, ASessionTokenEndsWithItsSessionHoweverOftenItIsUsed) {
  const auto used = LoginForSessionToken();
  const absl::Time end = clock_.Now() + settings_.session_lifetime;
  while (clock_.Now() < end - absl::Hours(1)) {
    EXPECT_EQ(Verdict(used->credential), "ACTIVE");
    clock_.Advance(absl::Hours(1));
  }
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(Verdict(used->credential), "TOKEN_EXPIRED");
}

TEST_F(ValidateTest, UsesOfSessionTokensAreWrittenBack) {
  const auto used = LoginForSessionToken();
  clock_.Advance(absl::Hours(1));
  ASSERT_EQ(Verdict(used->credential), "ACTIVE");
  Janitor(*environment_, *session_cache_).CleanUp();
  const auto session = store_->sessions().Find(*Uuid::Parse(used->session_id))->session;
  EXPECT_EQ(session.last_used_at, clock_.Now());
  EXPECT_EQ(session.idle_expires_at, clock_.Now() + settings_.session_idle_timeout);
}

TEST_F(ValidateTest, ARevokedSessionTokenIsRefusedThoughItWasCached) {
  const auto session = LoginForSessionToken();
  ASSERT_EQ(Verdict(session->credential), "ACTIVE");
  ASSERT_THAT(Logout({.bearer = session->credential}), IsOk());
  EXPECT_EQ(Verdict(session->credential), "TOKEN_REVOKED");
}

TEST_F(ValidateTest, ARevokedSessionTokenStaysRefusedUntilItsSessionWouldHaveEnded) {
  const auto session = LoginForSessionToken();
  ASSERT_EQ(Verdict(session->credential), "ACTIVE");
  ASSERT_THAT(Logout({.bearer = session->credential}), IsOk());
  for (int hour = 0; hour < 24 * 8; ++hour) {
    clock_.Advance(absl::Hours(1));
    trust_.revocations().DropExpired(clock_.Now());
    ASSERT_NE(Verdict(session->credential), "ACTIVE") << hour;
  }
}

TEST_F(ValidateTest, ASessionRowCopiedToSomebodyElseIsRefused) {
  ASSERT_THAT(CreateUser("mallory", kPassword), IsOk());
  const auto session = LoginForSessionToken();
  SessionRecord copied = store_->sessions().Find(*Uuid::Parse(session->session_id))->session;
  const auto mallory = store_->users().FindByName("mallory");
  copied.id = *Uuid::NewV7(clock_.Now(), SystemRandom());
  copied.principal = mallory->id;
  copied.token_digest = std::string(32, 'd');
  ASSERT_THAT(store_->sessions().Create(copied, mallory->credential_version), IsOk());
  const std::string refresh = FormatRefreshToken({.session_id = copied.id}, keys_->refresh_token_key());
  EXPECT_THAT(Refresh(refresh), HasReason(kTokenInvalid));
}

TEST_F(ValidateTest, JudgingOthersNeedsAGoodCredentialWithTheScopeForThisServer) {
  const auto target = Login();
  const auto caller = Login();
  EXPECT_TRUE(ValidateFor(caller->credential, target->credential)->active);

  EXPECT_THAT(ValidateFor("", target->credential), HasCode(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(ValidateFor("x", target->credential), HasReason(kTokenInvalid));
  auto narrow = LoginOf(kAlice, kPassword);
  narrow.scopes = {"orders.read"};
  EXPECT_THAT(ValidateFor(Login(std::move(narrow))->credential, target->credential), HasReason(kInsufficientScope));
  auto elsewhere = LoginOf(kAlice, kPassword);
  elsewhere.audiences = {"orders"};
  EXPECT_THAT(ValidateFor(Login(std::move(elsewhere))->credential, target->credential), HasReason(kTokenInvalid));
  ASSERT_THAT(Logout({.bearer = caller->credential}), IsOk());
  EXPECT_THAT(ValidateFor(caller->credential, target->credential), HasReason(kTokenRevoked));
}

}  // namespace
}  // namespace watchword
