#include <future>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "testing/hooked_store.h"
#include "testing/service_fixture.h"
#include "watchword/base/reason.h"
#include "watchword/base/testing/fake_random.h"
#include "watchword/token/verifier.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class LoginTest : public ServiceTest {};

TEST_F(LoginTest, GivesAnAccessTokenThatVerifiersAcceptForTheAudiencesAndScopesOfTheLogin) {
  auto request = LoginOf("ALICE", kPassword);
  request.audiences = {"orders"};
  request.scopes = {"orders.read"};
  const auto issued = Login(std::move(request));
  ASSERT_THAT(issued, IsOk());

  const auto verifier = TokenVerifier::Create({.issuer = kIssuer, .audiences = {"orders"}});
  const auto verified = verifier->Verify(issued->credential, *trust_.keys(), clock_.Now());
  ASSERT_THAT(verified, IsOk());
  EXPECT_THAT(verified->claims().scopes, ElementsAre("orders.read"));
  EXPECT_EQ(verified->claims().session_id, issued->session_id);
  EXPECT_EQ(verified->claims().expires_at, issued->expires_at);
  EXPECT_EQ(issued->expires_at, clock_.Now() + settings_.access_token_ttl);
  EXPECT_EQ(verified->claims().username, "");  // only if asked for
  EXPECT_LT(issued->credential.size(), 1024);
}

TEST_F(LoginTest, TellsTheUsernameInTheTokenIfAskedTo) {
  auto request = LoginOf(kAlice, kPassword);
  request.include_username = true;
  const auto issued = Login(std::move(request));
  ASSERT_THAT(issued, IsOk());
  const auto verifier = TokenVerifier::Create({.issuer = kIssuer, .audiences = {kIssuer}});
  EXPECT_EQ(verifier->Verify(issued->credential, *trust_.keys(), clock_.Now())->claims().username, kAlice);
}

TEST_F(LoginTest, UnknownUserWrongPasswordAndDisabledUserGetOneAnswer) {
  ASSERT_THAT(CreateUser("bob", kPassword), IsOk());
  ASSERT_THAT(SetDisabled("bob", true), IsOk());
  const absl::Status wrong = Login(LoginOf(kAlice, "wrong horse battery")).status();
  EXPECT_THAT(wrong, HasCode(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(wrong, HasReason(kInvalidCredentials));
  // The audit log is told more, which the caller never is: see CallAuditTest.
  const auto expect_the_same = [&wrong](const absl::Status& status) {
    EXPECT_EQ(status.code(), wrong.code());
    EXPECT_EQ(status.message(), wrong.message());
  };
  expect_the_same(Login(LoginOf("nobody", kPassword)).status());
  expect_the_same(Login(LoginOf("bob", kPassword)).status());
  expect_the_same(Login(LoginOf("bob", "wrong horse battery")).status());
  expect_the_same(Login(LoginOf(kAlice, "")).status());
}

TEST_F(LoginTest, APasswordThatDiffersAfterANulIsWrong) {
  const std::string with_nul = std::string(kPassword) + '\0' + "x";
  EXPECT_THAT(Login(LoginOf(kAlice, with_nul)), HasReason(kInvalidCredentials));
}

TEST_F(LoginTest, APasswordTypedWithOtherCharactersForTheSameLettersIsRight) {
  ASSERT_THAT(CreateUser("zoe", "cafe\u0301 au lait, s'il"), IsOk());
  EXPECT_THAT(Login(LoginOf("zoe", "caf\u00e9 au lait, s'il")), IsOk());
}

TEST_F(LoginTest, BadFieldsAreNamedAndNothingIsHashedOrWritten) {
  const auto field_of = [&](LoginCommand::Request request) -> std::string {
    const auto violation = FieldViolationOf(Login(std::move(request)).status());
    return violation.has_value() ? violation->field : "";
  };
  EXPECT_EQ(field_of(LoginOf("", kPassword)), "username");
  EXPECT_EQ(field_of(LoginOf(std::string("al\0ice", 6), kPassword)), "username");
  EXPECT_EQ(field_of(LoginOf("al ice", kPassword)), "username");
  EXPECT_EQ(field_of(LoginOf(kAlice, std::string(1025, 'x'))), "password");
  auto request = LoginOf(kAlice, kPassword);
  request.audiences = std::vector<std::string>(9, "a");
  EXPECT_EQ(field_of(std::move(request)), "audiences");
  request = LoginOf(kAlice, kPassword);
  request.audiences = {"two words"};
  EXPECT_EQ(field_of(std::move(request)), "audiences");
  request = LoginOf(kAlice, kPassword);
  request.scopes = {"a\"b"};
  EXPECT_EQ(field_of(std::move(request)), "scopes");
}

TEST_F(LoginTest, ATokenThatWouldBeTooLongForMetadataIsRefusedAndNoSessionBegins) {
  std::vector<std::string> scopes;
  for (char c = 'a'; c < 'a' + 16; ++c) scopes.push_back(std::string(250, c));
  ASSERT_THAT(CreateUser("wide", kPassword, scopes), IsOk());
  const auto refused = Login(LoginOf("wide", kPassword));
  EXPECT_THAT(refused, HasCode(absl::StatusCode::kInvalidArgument));
  const auto principal = store_->users().FindByName("wide");
  EXPECT_THAT(*store_->sessions().ListLive(principal->id, clock_.Now(), Uuid(), 10), IsEmpty());
}

TEST_F(LoginTest, AScopeThatTheAccountDoesNotHaveIsDeniedAndNoSessionBegins) {
  auto request = LoginOf(kAlice, kPassword);
  request.scopes = {"watchword.admin"};
  const auto denied = Login(std::move(request));
  EXPECT_THAT(denied, HasCode(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(denied, HasReason(kScopeNotGranted));
  const auto principal = store_->users().FindByName(kAlice);
  EXPECT_THAT(*store_->sessions().ListLive(principal->id, clock_.Now(), Uuid(), 10), IsEmpty());
}

TEST_F(LoginTest, AScopeTheAccountDoesNotHaveIsNotToldToThoseWithoutThePassword) {
  auto request = LoginOf(kAlice, "wrong horse battery");
  request.scopes = {"watchword.admin"};
  EXPECT_THAT(Login(std::move(request)), HasReason(kInvalidCredentials));
}

TEST_F(LoginTest, ADamagedHashIsAnAlarmAndLooksLikeAWrongPassword) {
  const auto principal = store_->users().FindByName(kAlice);
  ASSERT_TRUE(*store_->users().ReplaceHash(principal->id, principal->password_hash,
                                           "$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA"));
  EXPECT_THAT(Login(), HasReason(kInvalidCredentials));
  EXPECT_THAT(log_.text(), HasSubstr("password hash of a user cannot be used"));
}

TEST_F(LoginTest, ARaisedCostIsAppliedAtTheNextLogin) {
  const std::string before = store_->users().FindByName(kAlice)->password_hash;
  const PasswordHasher costlier = *PasswordHasher::Create({.memory_kib = 8192, .passes = 2}, SystemRandom());
  const Environment raised = EnvironmentWith(costlier, hash_executor_);
  LoginCommand login(raised);
  ASSERT_THAT(Await<IssuedCredential>(
                  [&](Done<IssuedCredential> done) { login.Run(LoginOf(kAlice, kPassword), std::move(done)); }),
              IsOk());
  const std::string after = store_->users().FindByName(kAlice)->password_hash;
  EXPECT_NE(after, before);
  EXPECT_FALSE(costlier.NeedsRehash(after));
  EXPECT_THAT(Login(), IsOk());
}

TEST_F(LoginTest, ARaisedCostIsAppliedOnceHoweverManyLogInAtTheSameTime) {
  const PasswordHasher costlier = *PasswordHasher::Create({.memory_kib = 8192, .passes = 2}, SystemRandom());
  const Environment raised = EnvironmentWith(costlier, hash_executor_);
  LoginCommand login(raised);
  std::vector<std::future<absl::StatusOr<IssuedCredential>>> logins;
  for (int i = 0; i < 20; ++i) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<IssuedCredential>>>();
    logins.push_back(promise->get_future());
    login.Run(LoginOf(kAlice, kPassword),
              [promise](absl::StatusOr<IssuedCredential> result) { promise->set_value(std::move(result)); });
  }
  for (auto& each : logins) EXPECT_THAT(each.get(), IsOk());
  const std::string text = log_.text();
  const size_t first = text.find("password hash renewed");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(text.find("password hash renewed", first + 1), std::string::npos);
  EXPECT_FALSE(costlier.NeedsRehash(store_->users().FindByName(kAlice)->password_hash));
}

TEST_F(LoginTest, ARaisedCostThatCannotBeStoredDoesNotFailTheLogin) {
  HookedStore store(*store_);
  store.replace_hash = absl::UnavailableError("disk full");
  const PasswordHasher costlier = *PasswordHasher::Create({.memory_kib = 8192, .passes = 2}, SystemRandom());
  const Environment raised = EnvironmentWith(costlier, hash_executor_, &store);
  LoginCommand login(raised);
  EXPECT_THAT(Await<IssuedCredential>(
                  [&](Done<IssuedCredential> done) { login.Run(LoginOf(kAlice, kPassword), std::move(done)); }),
              IsOk());
  EXPECT_THAT(log_.text(), HasSubstr("could not raise the cost"));
}

TEST_F(LoginTest, WithoutRandomnessNothingIsIssuedAndNoSessionBegins) {
  const auto before = Login();
  FailingRandom none;
  const Environment environment = EnvironmentWith(hasher_, hash_executor_, nullptr, none);
  LoginCommand login(environment);
  for (const SessionKind kind : {SessionKind::kAccessToken, SessionKind::kSessionToken}) {
    auto request = LoginOf(kAlice, kPassword);
    request.kind = kind;
    EXPECT_THAT(
        Await<IssuedCredential>([&](Done<IssuedCredential> done) { login.Run(std::move(request), std::move(done)); }),
        HasCode(absl::StatusCode::kInternal));
  }
  RefreshCommand refresh(environment);
  EXPECT_THAT(Await<IssuedCredential>([&](Done<IssuedCredential> done) {
                refresh.Run(before->refresh_token, "", kNoDeadline, std::move(done));
              }),
              HasCode(absl::StatusCode::kInternal));
  const auto alice = store_->users().FindByName(kAlice);
  EXPECT_THAT(*store_->sessions().ListLive(alice->id, clock_.Now(), Uuid(), 10), testing::SizeIs(1));
}

// What breaks programs that quote, cut, count or print text carelessly.
TEST_F(LoginTest, NaughtyStringsAreNobodyAndChangeNothing) {
  const std::vector<std::string> naughty = {"' OR '1'='1",
                                            "'; DROP TABLE principals; --",
                                            "\" OR \"\"=\"",
                                            "admin'--",
                                            "1); DELETE FROM sessions",
                                            "?1",
                                            "%s%s%n",
                                            "%00",
                                            "${jndi:ldap://x}",
                                            "{{7*7}}",
                                            "`id`",
                                            "$(id)",
                                            "../../etc/passwd",
                                            "C:\\con",
                                            "undefined",
                                            "null",
                                            "NULL",
                                            "nil",
                                            "true",
                                            "0",
                                            "-1",
                                            "1e1000",
                                            "NaN",
                                            "Infinity",
                                            "0x0",
                                            "2147483648",
                                            "-9223372036854775808",
                                            "<script>alert(1)</script>",
                                            "&lt;",
                                            "\xef\xbb\xbf",
                                            "\u200b",
                                            "\u202e",
                                            "\u2028",
                                            "\ufeff",
                                            "\ufffe",

                                            "\r\nSet-Cookie: a=b",
                                            "\x1b[31m",
                                            "\x7f",
                                            "a\u0300\u0301\u0302",
                                            "\u00df",
                                            "\u1e9e",
                                            "\u0130",
                                            "\u0131",
                                            "\ufb01",
                                            "\u212a",
                                            "\uff41\uff4c\uff49\uff43\uff45",
                                            "alice ",
                                            " alice",
                                            "al\u00adice",
                                            "al\u200dice",
                                            "\u0430lice",

                                            "\U0001f4a9",
                                            "\U000e0041",
                                            "\u0928\u0940",
                                            "\u0e4d\u0e33",
                                            "\ufdfa",
                                            std::string(255, '\''),
                                            std::string(256, 'a'),
                                            std::string(765, 'a'),
                                            std::string(1024, '%'),
                                            std::string("a\0b", 3),
                                            "\xff",
                                            "\xc0\xaf",
                                            "\xed\xa0\x80",
                                            "{\"a\":1}",
                                            "a,b",
                                            "a;b",
                                            "a\tb",
                                            "\\",
                                            "\\x00",
                                            "%",
                                            "_",
                                            "*",
                                            "."};
  ASSERT_GT(naughty.size(), 70u);
  const auto before = store_->users().List("", 100);
  for (const std::string& text : naughty) {
    clock_.Advance(kForgetAccountAfter);  // so that each is judged
    const absl::Status as_name = Login(LoginOf(text, kPassword)).status();
    const bool refused = ReasonOf(as_name) == kInvalidCredentials || ReasonOf(as_name) == kInvalidArgument;
    // One that is alice in full width is alice.
    EXPECT_TRUE(refused || (as_name.ok() && text == "\uff41\uff4c\uff49\uff43\uff45")) << text << as_name;
    EXPECT_THAT(Login(LoginOf(kAlice, text)), HasReason(kInvalidCredentials)) << text;
  }
  const auto after = store_->users().List("", 100);
  ASSERT_EQ(after->size(), before->size());
  EXPECT_EQ(after->front().password_hash, before->front().password_hash);
  EXPECT_THAT(Login(), IsOk());
}

TEST_F(LoginTest, FiftyRightPasswordsAtTheSameTimeAllLogIn) {
  std::vector<std::future<absl::StatusOr<IssuedCredential>>> logins;
  for (int i = 0; i < 50; ++i) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<IssuedCredential>>>();
    logins.push_back(promise->get_future());
    login_->Run(LoginOf(kAlice, kPassword),
                [promise](absl::StatusOr<IssuedCredential> result) { promise->set_value(std::move(result)); });
  }
  for (auto& each : logins) EXPECT_THAT(each.get(), IsOk());
}

TEST_F(LoginTest, APasswordThatMayNoLongerBeSetStillLogsIn) {
  const auto alice = store_->users().FindByName(kAlice);
  const auto hash = hasher_.Hash(Secret::CopyOf("password"));
  ASSERT_TRUE(*store_->users().ReplaceHash(alice->id, alice->password_hash, *hash));
  EXPECT_THAT(Login(LoginOf(kAlice, "password")), IsOk());
}

TEST_F(LoginTest, CommonPasswordsAreRefusedWhenTheyAreSet) {
  for (const char* common : {"passwordpassword", "dorothydorothydorothy"}) {
    const auto refused = CreateUser("dorothy", common);
    EXPECT_THAT(refused, HasCode(absl::StatusCode::kInvalidArgument));
    EXPECT_EQ(FieldViolationOf(refused.status())->field, "password");
  }
  EXPECT_THAT(store_->users().FindByName("dorothy"), HasCode(absl::StatusCode::kNotFound));
}

TEST_F(LoginTest, WorkWhoseDeadlineHasPassedIsNotDone) {
  auto request = LoginOf(kAlice, kPassword);
  request.deadline = clock_.Now() - absl::Microseconds(1);
  EXPECT_THAT(Login(std::move(request)), HasCode(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(LoginTest, FullQueuesAnswerOverloadedAtOnce) {
  std::promise<void> started;
  std::promise<void> release;
  Executor full({.name = "full", .threads = 1, .queue_capacity = 1}, clock_);  // ends before what its work touches
  ASSERT_THAT(full.Submit(kNoDeadline,
                          [&](const absl::Status&) {
                            started.set_value();
                            release.get_future().wait();
                          }),
              IsOk());
  started.get_future().wait();
  ASSERT_THAT(full.Submit(kNoDeadline, [](const absl::Status&) {}), IsOk());
  const Environment busy = EnvironmentWith(hasher_, full);
  LoginCommand login(busy);
  const auto refused = Await<IssuedCredential>(
      [&](Done<IssuedCredential> done) { login.Run(LoginOf(kAlice, kPassword), std::move(done)); });
  EXPECT_THAT(refused, HasCode(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(refused, HasReason(kOverloaded));
  release.set_value();
}

TEST_F(LoginTest, WhatIsCancelledBeforeItsTurnIsNotHashedAndGetsNoVerdict) {
  for (const char* password : {kPassword, "wrong horse battery"}) {
    auto request = LoginOf(kAlice, password);
    request.is_cancelled = [] { return true; };
    EXPECT_THAT(Login(std::move(request)), HasCode(absl::StatusCode::kCancelled));
  }
  EXPECT_THAT(log_.text(), Not(HasSubstr("login refused")));
}

// A flood must not become load on the store.
TEST_F(LoginTest, WhatWillNotBeHashedIsNotLookedUp) {
  HookedStore store(*store_);
  int looked_up = 0;
  store.after_find_by_name = [&] { ++looked_up; };
  Executor stopped({.name = "stopped"}, clock_);
  const Environment busy = EnvironmentWith(hasher_, stopped, &store);
  stopped.Stop();
  LoginCommand login(busy);
  const auto refused = Await<IssuedCredential>(
      [&](Done<IssuedCredential> done) { login.Run(LoginOf(kAlice, kPassword), std::move(done)); });
  EXPECT_THAT(refused, HasReason(kShuttingDown));
  EXPECT_EQ(looked_up, 0);
}

TEST_F(LoginTest, ASessionBegunInTheMillisecondOfALogoutEverywhereIsAlive) {
  const auto principal = store_->users().FindByName(kAlice);
  const auto revoked =
      store_->sessions().RevokeAll(principal->id, clock_.Now() + absl::Seconds(5), clock_.Now() + absl::Hours(2));
  ASSERT_THAT(revoked, IsOk());
  feed_->Announce(*revoked);
  const auto issued = Login();  // by a clock that is behind
  ASSERT_THAT(issued, IsOk());
  EXPECT_EQ(Verdict(issued->credential), "ACTIVE");
}

TEST_F(LoginTest, NothingSecretIsLogged) {
  const auto issued = Login();
  const auto session = LoginForSessionToken();
  Login(LoginOf(kAlice, "a wrong password, too")).IgnoreError();
  Login(LoginOf("nobody", "yet another password")).IgnoreError();
  for (const std::string& secret : {std::string(kPassword), issued->credential, issued->refresh_token,
                                    session->credential, std::string("a wrong password"), std::string("yet another"),
                                    store_->users().FindByName(kAlice)->password_hash}) {
    EXPECT_THAT(log_.text(), Not(HasSubstr(secret)));
  }
}

}  // namespace
}  // namespace watchword
