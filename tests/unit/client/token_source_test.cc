#include "watchword/client/token_source.h"

#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/time/clock.h"
#include "fake_server.h"
#include "gmock/gmock.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"
#include "watchword/base/file.h"
#include "watchword/base/testing/fake_clock.h"
#include "watchword/client/channel.h"

namespace watchword {
namespace {

using absl::StatusCode;

constexpr absl::Duration kTimeout = absl::Seconds(20);

// A server whose Login gives "login-1", "login-2", … and whose Refresh gives "refresh-1", …, each for five minutes.
class LoginTokenSourceTest : public testing::Test {
 protected:
  LoginTokenSourceTest() {
    server_.login = [this](const v1::LoginRequest& request, v1::LoginResponse& response) {
      EXPECT_EQ(request.username(), "orders");
      EXPECT_EQ(request.password(), "secret");
      if (login_error_ != grpc::StatusCode::OK) return grpc::Status(login_error_, "STORE_UNAVAILABLE: no");
      return Grant(response, absl::StrCat("login-", ++logins_), clock_.Now() + absl::Minutes(5), "r");
    };
    server_.refresh = [this](const v1::RefreshRequest&, v1::RefreshResponse& response) {
      if (refresh_error_ != grpc::StatusCode::OK) return grpc::Status(refresh_error_, "TOKEN_REVOKED: no");
      return Grant(response, absl::StrCat("refresh-", ++refreshes_), clock_.Now() + absl::Minutes(5), "r");
    };
    source_ = MakeLoginTokenSource(
        *MakeChannel({.address = server_.address()}),
        [] {
          return Password{"orders", Secret("secret")};
        },
        {}, clock_);
  }

  std::string Get() {
    const auto token = source_->GetToken(kTimeout);
    return token.ok() ? *token : token.status().ToString();
  }
  // Waits for what the source does by itself. An attempt that fails late has put off the next one, by a clock that only
  // we move on.
  void ExpectBecomes(const std::string& credential) {
    for (int round = 0; round < 5; ++round) {
      const absl::Time patience = absl::Now() + absl::Seconds(2);
      while (absl::Now() < patience) {
        if (Get() == credential) return;
        std::this_thread::yield();
      }
      clock_.Advance(absl::Seconds(30));
    }
    ADD_FAILURE() << "it does not become " << credential << " but " << Get();
  }

  std::atomic<int> logins_{0}, refreshes_{0};
  std::atomic<grpc::StatusCode> login_error_{grpc::StatusCode::OK}, refresh_error_{grpc::StatusCode::OK};
  FakeClock clock_;
  FakeServer server_;
  std::unique_ptr<TokenSource> source_;
};

TEST_F(LoginTokenSourceTest, NobodyLogsInBeforeACredentialIsAskedFor) { EXPECT_EQ(server_.CountOf("Login"), 0); }

TEST_F(LoginTokenSourceTest, HoweverManyAskOneLoginIsMade) {
  std::vector<std::thread> callers;
  for (int i = 0; i < 100; ++i) callers.emplace_back([this] { EXPECT_EQ(Get(), "login-1"); });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(server_.CountOf("Login"), 1);
}

TEST_F(LoginTokenSourceTest, RefreshedInTheBackgroundFromAMinuteBeforeExpiryWhileCallersGetTheOld) {
  EXPECT_EQ(Get(), "login-1");
  clock_.Advance(absl::Minutes(4) - absl::Seconds(1));
  EXPECT_EQ(Get(), "login-1");
  EXPECT_EQ(server_.CountOf("Refresh"), 0);
  clock_.Advance(absl::Seconds(1));
  ExpectBecomes("refresh-1");
  EXPECT_EQ(server_.CountOf("Refresh"), 1);
  EXPECT_EQ(server_.CountOf("Login"), 1);
}

TEST_F(LoginTokenSourceTest, CallersWaitForTheNextFromHalfAMinuteBeforeExpiry) {
  EXPECT_EQ(Get(), "login-1");
  clock_.Advance(absl::Minutes(4) + absl::Seconds(30));
  EXPECT_EQ(Get(), "refresh-1");
}

TEST_F(LoginTokenSourceTest, WhileItCannotBeRefreshedItIsHandedOutUntilItExpires) {
  EXPECT_EQ(Get(), "login-1");
  refresh_error_ = grpc::StatusCode::UNAVAILABLE;
  clock_.Advance(absl::Minutes(5) - absl::Seconds(1));
  EXPECT_EQ(Get(), "login-1");
  EXPECT_EQ(server_.CountOf("Login"), 1);  // an outage is no reason to log in again
  clock_.Advance(absl::Seconds(1));
  refresh_error_ = grpc::StatusCode::OK;
  clock_.Advance(absl::Seconds(30));  // past any pause between attempts
  ExpectBecomes("refresh-1");
}

TEST_F(LoginTokenSourceTest, OutageIsReportedAsOneAndNotHammered) {
  login_error_ = grpc::StatusCode::UNAVAILABLE;
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(source_->GetToken(kTimeout), HasCode(StatusCode::kUnavailable));
  }
  EXPECT_EQ(server_.CountOf("Login"), 1);
  login_error_ = grpc::StatusCode::OK;
  clock_.Advance(absl::Seconds(30));
  ExpectBecomes("login-1");
}

TEST_F(LoginTokenSourceTest, SessionThatIsOverIsFollowedByANewLogin) {
  EXPECT_EQ(Get(), "login-1");
  refresh_error_ = grpc::StatusCode::UNAUTHENTICATED;
  clock_.Advance(absl::Minutes(5));
  EXPECT_EQ(Get(), "login-2");
}

TEST_F(LoginTokenSourceTest, RejectedCredentialIsNotHandedOutAgain) {
  EXPECT_EQ(Get(), "login-1");
  source_->Reject("another");
  EXPECT_EQ(Get(), "login-1");
  source_->Reject("login-1");
  EXPECT_EQ(Get(), "refresh-1");
  EXPECT_EQ(server_.CountOf("Refresh"), 1);
}

class FileTokenSourceTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }
  static void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

  TemporaryFolder folder_;
};

TEST_F(FileTokenSourceTest, ReadAgainWhenKubernetesSwapsTheFolder) {
  for (const char* version : {"v1", "v2"}) {
    std::filesystem::create_directory(Path(version));
    Write(Path(version) + "/token", absl::StrCat("token-", version, "\n"));
  }
  std::filesystem::create_symlink("v1", Path("data"));
  const auto source = MakeFileTokenSource(Path("data/token"));
  EXPECT_EQ(source->GetToken(kTimeout).value(), "token-v1");
  std::filesystem::create_symlink("v2", Path("new"));
  std::filesystem::rename(Path("new"), Path("data"));
  EXPECT_EQ(source->GetToken(kTimeout).value(), "token-v2");
}

TEST_F(FileTokenSourceTest, MissingOrEmptyFileIsAnErrorThatNamesIt) {
  const auto source = MakeFileTokenSource(Path("token"));
  EXPECT_THAT(source->GetToken(kTimeout), HasCode(StatusCode::kNotFound));
  Write(Path("token"), " \n");
  const auto empty = source->GetToken(kTimeout);
  EXPECT_THAT(empty, HasCode(StatusCode::kFailedPrecondition));
  EXPECT_THAT(std::string(empty.status().message()), testing::HasSubstr(Path("token")));
}

TEST_F(FileTokenSourceTest, WhileTheFileCannotBeReadTheLastCredentialIsHandedOutUnlessItWasRejected) {
  Write(Path("token"), "first");
  const auto source = MakeFileTokenSource(Path("token"));
  EXPECT_EQ(source->GetToken(kTimeout).value(), "first");
  std::filesystem::remove(Path("token"));
  EXPECT_EQ(source->GetToken(kTimeout).value(), "first");
  Write(Path("token"), "\n");
  source->Reject("another");
  EXPECT_EQ(source->GetToken(kTimeout).value(), "first");
  source->Reject("first");
  EXPECT_THAT(source->GetToken(kTimeout), HasCode(StatusCode::kFailedPrecondition));
  Write(Path("token"), "second");
  EXPECT_EQ(source->GetToken(kTimeout).value(), "second");
}

TEST_F(FileTokenSourceTest, ServiceAccountFileIsReadOnlyIfNobodyElseMayReadIt) {
  ASSERT_THAT(WriteSecretFile(Path("account"), R"({"name": "orders", "secret": "s"})"), IsOk());
  const auto account = ReadServiceAccountFile(Path("account"));
  ASSERT_THAT(account, IsOk());
  EXPECT_EQ(account->username, "orders");
  EXPECT_EQ(account->password.Reveal(), "s");
  ASSERT_EQ(chmod(Path("account").c_str(), 0640), 0);
  EXPECT_THAT(ReadServiceAccountFile(Path("account")), HasCode(StatusCode::kFailedPrecondition));
  for (const char* text : {"", "[]", "{}", R"({"name": "orders"})", R"({"name": 1, "secret": "s"})", "{"}) {
    ASSERT_THAT(WriteSecretFile(Path("account"), text), IsOk());
    EXPECT_THAT(ReadServiceAccountFile(Path("account")), HasCode(StatusCode::kInvalidArgument)) << text;
  }
}

}  // namespace
}  // namespace watchword
