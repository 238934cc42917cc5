#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "testing/service_fixture.h"
#include "watchword/token/opaque_token.h"

namespace watchword {
namespace {

using testing::ElementsAre;

class ServiceAccountsTest : public ServiceTest {
 protected:
  absl::StatusOr<Accounts::NewSecret> Create(std::string name, std::vector<std::string> scopes = {}) {
    return Await<Accounts::NewSecret>([&](Done<Accounts::NewSecret> done) {
      accounts_->CreateServiceAccount(std::move(name), std::move(scopes), kNoDeadline, std::move(done));
    });
  }
  absl::StatusOr<Accounts::NewSecret> Rotate(std::string name) {
    return Await<Accounts::NewSecret>([&](Done<Accounts::NewSecret> done) {
      accounts_->RotateSecret(std::move(name), kNoDeadline, std::move(done));
    });
  }
  absl::StatusOr<PrincipalRecord> SetPassword(std::string name) {
    return Await<PrincipalRecord>([&](Done<PrincipalRecord> done) {
      accounts_->SetPassword(std::move(name), Secret::CopyOf(kPassword), kNoDeadline, std::move(done));
    });
  }
};

TEST_F(ServiceAccountsTest, LogsInWithItsSecretAndIsToldFromAUser) {
  const auto made = Create("Orders", {"watchword.verifier"});
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->account.name, "orders");
  EXPECT_THAT(ParseOpaqueToken(kServiceSecretPrefix, kServiceSecretContentSize, made->secret), IsOk());
  const auto issued = Login(LoginOf("orders", made->secret));
  ASSERT_THAT(issued, IsOk());
  EXPECT_THAT(issued->scopes, ElementsAre("watchword.verifier"));
  EXPECT_EQ(Validate(issued->credential)->principal_kind, PrincipalKind::kServiceAccount);
  EXPECT_EQ(Validate(Login()->credential)->principal_kind, PrincipalKind::kUser);
  EXPECT_FALSE(absl::StrContains(log_.text(), made->secret));
}

TEST_F(ServiceAccountsTest, WrongSecretIsAnsweredAsAWrongPassword) {
  const auto made = Create("orders");
  EXPECT_THAT(Login(LoginOf("orders", made->secret + "x")), HasReason(kInvalidCredentials));
  ASSERT_THAT(SetDisabled("orders", true), IsOk());
  EXPECT_THAT(Login(LoginOf("orders", made->secret)), HasReason(kInvalidCredentials));
}

TEST_F(ServiceAccountsTest, RotatingTheSecretEndsItsSessionsAndTheOldSecret) {
  const auto first = Create("orders");
  const auto issued = Login(LoginOf("orders", first->secret));
  clock_.Advance(absl::Seconds(1));
  const auto second = Rotate("orders");
  ASSERT_THAT(second, IsOk());
  EXPECT_NE(second->secret, first->secret);
  EXPECT_EQ(Verdict(issued->credential), "TOKEN_REVOKED");
  EXPECT_THAT(Login(LoginOf("orders", first->secret)), HasReason(kInvalidCredentials));
  clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(Login(LoginOf("orders", second->secret)), IsOk());
}

TEST_F(ServiceAccountsTest, NamesAreOfOneSpaceAndKindsAreNotMixedUp) {
  EXPECT_THAT(Create("ALICE"), HasReason(kUserExists));
  ASSERT_THAT(Create("orders"), IsOk());
  EXPECT_THAT(CreateUser("orders", kPassword), HasReason(kUserExists));
  EXPECT_THAT(SetPassword("orders"), HasReason(kNotAUser));
  EXPECT_THAT(Rotate(kAlice), HasReason(kNotAServiceAccount));
  EXPECT_THAT(Rotate("nobody"), HasReason(kUserNotFound));
  EXPECT_THAT(Create(""), HasReason(kInvalidArgument));
  EXPECT_THAT(Create("x", {"two words"}), HasReason(kInvalidArgument));
}

}  // namespace
}  // namespace watchword
