#include "server/service/change_password.h"

#include "gmock/gmock.h"
#include "testing/hooked_store.h"
#include "testing/service_fixture.h"
#include "watchword/base/reason.h"

namespace watchword {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kNewPassword[] = "nine moons over a mill";

class ChangePasswordTest : public ServiceTest {
 protected:
  static ChangePasswordCommand::Request Change(const std::string& bearer, absl::string_view current = kPassword,
                                               absl::string_view wanted = kNewPassword) {
    return {.bearer = bearer,
            .current_password = Secret::CopyOf(current),
            .new_password = Secret::CopyOf(wanted),
            .deadline = kNoDeadline};
  }
  static absl::Status Run(ChangePasswordCommand& command, ChangePasswordCommand::Request request) {
    return Await<PrincipalRecord>([&](Done<PrincipalRecord> done) { command.Run(std::move(request), std::move(done)); })
        .status();
  }
  absl::Status Run(ChangePasswordCommand::Request request) { return Run(*change_password_, std::move(request)); }

  // The field that an error names; "" if it names none.
  static std::string FieldOf(const absl::Status& status) {
    const auto violation = FieldViolationOf(status);
    return violation.has_value() ? violation->field : "";
  }

  // That alice has the password that she had at the beginning.
  void ExpectUnchanged() {
    EXPECT_THAT(Login(LoginOf(kAlice, kPassword)), IsOk());
    EXPECT_THAT(Login(LoginOf(kAlice, kNewPassword)), HasReason(kInvalidCredentials));
  }
};

TEST_F(ChangePasswordTest, TheNewPasswordIsTheOnlyOneThenAndAllSessionsAreEnded) {
  const auto own = Login();
  const auto other = LoginForSessionToken();
  ASSERT_EQ(Verdict(other->credential), "ACTIVE");
  clock_.Advance(absl::Seconds(1));
  ASSERT_THAT(Run(Change(own->credential)), IsOk());
  EXPECT_EQ(Verdict(own->credential), "TOKEN_REVOKED");
  EXPECT_EQ(Verdict(other->credential), "TOKEN_REVOKED");
  EXPECT_THAT(Refresh(own->refresh_token), HasReason("TOKEN_REVOKED"));
  EXPECT_THAT(Login(LoginOf(kAlice, kPassword)), HasReason(kInvalidCredentials));
  const auto again = Login(LoginOf(kAlice, kNewPassword));
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(Verdict(again->credential), "ACTIVE");
}

TEST_F(ChangePasswordTest, ACredentialOfEitherKindAndForWhateverAudienceWillDo) {
  auto request = LoginOf(kAlice, kPassword);
  request.audiences = {"orders"};
  ASSERT_THAT(Run(Change(Login(std::move(request))->credential)), IsOk());
  clock_.Advance(absl::Seconds(1));
  request = LoginOf(kAlice, kNewPassword);
  request.kind = SessionKind::kSessionToken;
  EXPECT_THAT(Run(Change(Login(std::move(request))->credential, kNewPassword, kPassword)), IsOk());
}

TEST_F(ChangePasswordTest, WithoutTheCurrentPasswordNothingChanges) {
  const auto own = Login();
  for (const char* wrong : {"", "wrong horse battery", kNewPassword}) {
    const absl::Status refused = Run(Change(own->credential, wrong));
    EXPECT_THAT(refused, HasCode(absl::StatusCode::kUnauthenticated));
    EXPECT_THAT(refused, HasReason(kInvalidCredentials));
  }
  EXPECT_EQ(FieldOf(Run(Change(own->credential, std::string(1025, 'x')))), "current_password");
  EXPECT_EQ(Verdict(own->credential), "ACTIVE");
  ExpectUnchanged();
}

TEST_F(ChangePasswordTest, WithoutALiveCredentialNothingChanges) {
  EXPECT_THAT(Run(Change("nonsense")), HasReason("TOKEN_INVALID"));
  const auto ended = Login();
  ASSERT_THAT(Logout({.bearer = ended->credential}), IsOk());
  EXPECT_THAT(Run(Change(ended->credential)), HasReason("TOKEN_REVOKED"));
  const auto expired = Login();
  clock_.Advance(settings_.access_token_ttl + absl::Minutes(1));
  const absl::Status refused = Run(Change(expired->credential));
  EXPECT_THAT(refused, HasReason("TOKEN_EXPIRED"));
  EXPECT_THAT(refused, HasCode(absl::StatusCode::kUnauthenticated));
  ExpectUnchanged();
}

TEST_F(ChangePasswordTest, WhatMayNotBeSetIsRefusedAndNamed) {
  const auto own = Login();
  for (const std::string& bad :
       {std::string(), std::string("fourteen chars"), std::string(1025, 'x'), std::string("tab\there and there"),
        std::string("passwordpassword"), std::string("alicealicealice"), std::string("https://auth.example")}) {
    EXPECT_EQ(FieldOf(Run(Change(own->credential, kPassword, bad))), "new_password") << bad.substr(0, 40);
  }
  ExpectUnchanged();
}

TEST_F(ChangePasswordTest, AServiceAccountHasNoPasswordToChange) {
  const auto made = Await<Accounts::NewSecret>([&](Done<Accounts::NewSecret> done) {
    accounts_->CreateServiceAccount("orders", {}, kNoDeadline, std::move(done));
  });
  const auto issued = Login(LoginOf("orders", made->secret));
  EXPECT_THAT(Run(Change(issued->credential, made->secret)), HasReason(kNotAUser));
  EXPECT_THAT(Login(LoginOf("orders", made->secret)), IsOk());
}

// Somebody who knows the old password must not undo that an administrator has set another, or has barred the account.
TEST_F(ChangePasswordTest, WhatAnAdministratorDoesMeanwhileHasTheLastWord) {
  HookedStore store(*store_);
  const Environment hooked = EnvironmentWith(hasher_, hash_executor_, &store);
  ChangePasswordCommand command(hooked, *validate_);
  const auto own = Login();
  store.after_find_by_name = [&] {
    const auto alice = store_->users().FindByName(kAlice);
    const auto hash = hasher_.Hash(Secret::CopyOf("set by an administrator"));
    ASSERT_THAT(store_->users().SetPassword(alice->id, *hash, clock_.Now(), clock_.Now() + absl::Hours(2)), IsOk());
  };
  EXPECT_THAT(Run(command, Change(own->credential)), HasReason(kInvalidCredentials));
  EXPECT_THAT(Login(LoginOf(kAlice, kNewPassword)), HasReason(kInvalidCredentials));
  EXPECT_THAT(Login(LoginOf(kAlice, "set by an administrator")), IsOk());

  clock_.Advance(absl::Seconds(1));
  const auto later = Login(LoginOf(kAlice, "set by an administrator"));
  store.after_find_by_name = [&] {
    const auto alice = store_->users().FindByName(kAlice);
    ASSERT_THAT(store_->users().SetDisabled(alice->id, true, clock_.Now(), clock_.Now() + absl::Hours(2)), IsOk());
  };
  EXPECT_THAT(Run(command, Change(later->credential, "set by an administrator")), HasReason(kInvalidCredentials));
  ASSERT_THAT(SetDisabled(kAlice, false), IsOk());
  EXPECT_THAT(Login(LoginOf(kAlice, kNewPassword)), HasReason(kInvalidCredentials));
}

TEST_F(ChangePasswordTest, NothingSecretIsLogged) {
  const auto own = Login();
  Run(Change(own->credential, "a wrong password, too")).IgnoreError();
  ASSERT_THAT(Run(Change(own->credential)), IsOk());
  EXPECT_THAT(log_.text(), HasSubstr("password changed user=alice"));
  for (const std::string& secret :
       {std::string(kPassword), std::string(kNewPassword), own->credential, std::string("a wrong password"),
        store_->users().FindByName(kAlice)->password_hash}) {
    EXPECT_THAT(log_.text(), Not(HasSubstr(secret)));
  }
}

}  // namespace
}  // namespace watchword
