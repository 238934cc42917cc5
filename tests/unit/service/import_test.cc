#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "testing/service_fixture.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ImportTest : public ServiceTest {};

// From elsewhere: see the test of the formats.
TEST_F(ImportTest, AUserOfAnotherSystemLogsInAndIsHashedAnew) {
  const struct {
    std::string password, hash;
  } users[] = {
      {"password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"},
      {"U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
      {"Hello world!",
       "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"},
      {"abc", "$y$j75$.......$stbr2M6i8w/SU36N/.i6VVEHCMYG2OkDpj/I1wKYZC4"},
      {"pleaseletmein", "$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D"},
      {"password", "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"},
      {"password", "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44"},
      {"l\u00e8tmein", "pbkdf2_sha256$24000$seasalt$V9DfCAVoweeLwxC/L2mb+7swhzF0XYdyQMqmusZqiTc="},
  };
  for (const auto& [password, hash] : users) {
    const std::string name = absl::StrCat("user-", &hash - &users[0].hash);
    ASSERT_THAT(Import({.username = name, .password_hash = hash, .scopes = {"orders.read"}}), IsOk()) << hash;
    EXPECT_EQ(store_->users().FindByName(name)->password_hash, hash);
    EXPECT_THAT(Login(LoginOf(name, password + "x")), HasReason(kInvalidCredentials)) << hash;
    EXPECT_EQ(store_->users().FindByName(name)->password_hash, hash);
    const auto issued = Login(LoginOf(name, password));  // short as it is: rules are for new passwords
    ASSERT_THAT(issued, IsOk()) << hash;
    EXPECT_THAT(issued->scopes, ElementsAre("orders.read"));
    const std::string renewed = store_->users().FindByName(name)->password_hash;
    EXPECT_TRUE(absl::StartsWith(renewed, "$argon2id$v=19$m=8192,t=1,p=1$"));
    EXPECT_THAT(Login(LoginOf(name, password)), IsOk()) << hash;
    EXPECT_EQ(store_->users().FindByName(name)->password_hash, renewed);
    EXPECT_THAT(log_.text(), Not(HasSubstr(hash)));
  }
}

TEST_F(ImportTest, AHashThatCannotBeVerifiedIsRefusedAndNoUserMade) {
  for (const std::string hash : {"plain text", "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
                                 "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                                 "$6$rounds=999999999$saltstring$", "pbkdf2_sha256$"}) {
    const auto refused = Import({.username = "bert", .password_hash = hash});
    EXPECT_THAT(refused, HasCode(absl::StatusCode::kInvalidArgument));
    EXPECT_EQ(FieldViolationOf(refused.status())->field, "password_hash");
    EXPECT_FALSE(absl::StrContains(refused.status().message(), hash));
  }
  EXPECT_THAT(store_->users().FindByName("bert"), HasCode(absl::StatusCode::kNotFound));
}

TEST_F(ImportTest, AUserThatExistsStaysAsItIs) {
  const auto before = store_->users().FindByName(kAlice);
  const auto refused =
      Import({.username = "ALICE", .password_hash = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"});
  EXPECT_THAT(refused, HasReason(kUserExists));
  EXPECT_EQ(store_->users().FindByName(kAlice)->password_hash, before->password_hash);
}

TEST_F(ImportTest, ADisabledUserStaysBarred) {
  ASSERT_THAT(Import({.username = "carl",
                      .password_hash = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                      .disabled = true}),
              IsOk());
  EXPECT_THAT(Login(LoginOf("carl", "U*U")), HasReason(kInvalidCredentials));
  ASSERT_THAT(SetDisabled("carl", false), IsOk());
  EXPECT_THAT(Login(LoginOf("carl", "U*U")), IsOk());
}

TEST_F(ImportTest, AUserWithoutAPasswordIsAnsweredLikeAWrongPasswordUntilOneIsSet) {
  ASSERT_THAT(Import({.username = "dora"}), IsOk());
  const absl::Status wrong = Login(LoginOf(kAlice, "wrong horse battery")).status();
  for (const std::string password : {kPassword, ""}) {
    const absl::Status status = Login(LoginOf("dora", password)).status();
    EXPECT_EQ(status.code(), wrong.code());
    EXPECT_EQ(status.message(), wrong.message());  // what the audit log is told differs
  }
  EXPECT_THAT(log_.text(), Not(HasSubstr("cannot be used")));  // that is no alarm
  ASSERT_THAT(Await<PrincipalRecord>([&](Done<PrincipalRecord> done) {
                accounts_->SetPassword("dora", Secret::CopyOf(kPassword), kNoDeadline, std::move(done));
              }),
              IsOk());
  EXPECT_THAT(Login(LoginOf("dora", kPassword)), IsOk());
}

TEST_F(ImportTest, BadNamesAndScopesAreRefused) {
  EXPECT_EQ(FieldViolationOf(Import({.username = ""}).status())->field, "username");
  EXPECT_EQ(FieldViolationOf(Import({.username = "two words"}).status())->field, "username");
  EXPECT_EQ(FieldViolationOf(Import({.username = "erik", .scopes = {"a\"b"}}).status())->field, "scopes");
}

}  // namespace
}  // namespace watchword
