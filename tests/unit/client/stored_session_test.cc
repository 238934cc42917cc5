#include "watchword/client/stored_session.h"

#include <atomic>
#include <thread>

#include "fake_server.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"
#include "watchword/base/testing/fake_clock.h"
#include "watchword/client/channel.h"

namespace watchword {
namespace {

constexpr absl::Duration kMargin = absl::Seconds(30);

class StoredSessionTest : public testing::Test {
 protected:
  StoredSessionTest() {
    server_.login = [this](const v1::LoginRequest&, v1::LoginResponse& response) {
      return Grant(response, "first", expiry_, session_token_ ? "" : "refresh-1");
    };
    server_.refresh = [this](const v1::RefreshRequest& request, v1::RefreshResponse& response) {
      EXPECT_EQ(request.refresh_token(), "refresh-1");
      return Grant(response, "second", expiry_ + absl::Minutes(5), "refresh-2");
    };
  }

  StoredSession Session() { return {folder_, client_, clock_, server_.address(), "alice", absl::Seconds(10)}; }
  void LogIn() { ASSERT_THAT(Session().Login({}), IsOk()); }
  // Makes it `left` until the first credential expires.
  void LeaveUntilExpiry(absl::Duration left) { clock_.SetNow(expiry_ - left); }
  void RefuseRefresh(grpc::StatusCode code, const std::string& message) {
    server_.refresh = [code, message](const auto&, auto&) { return grpc::Status(code, message); };
  }

  FakeServer server_;
  TemporaryFolder state_;
  CredentialFolder folder_{state_.path()};
  SessionClient client_{*MakeChannel({.address = server_.address()}), absl::Seconds(10)};
  FakeClock clock_;
  const absl::Time expiry_ = clock_.Now() + absl::Minutes(5);
  bool session_token_ = false;
};

TEST_F(StoredSessionTest, LoginIsStoredAndBecomesTheDefault) {
  LogIn();
  const auto login = Session().Load();
  ASSERT_THAT(login, IsOk());
  EXPECT_EQ(login->credential, "first");
  EXPECT_EQ(login->expires_at, expiry_);
  EXPECT_EQ(*folder_.DefaultUser(server_.address()), "alice");
}

TEST_F(StoredSessionTest, RefusedLoginLeavesTheOldOne) {
  LogIn();
  server_.login = [](const auto&, auto&) {
    return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "INVALID_CREDENTIALS");
  };
  EXPECT_THAT(Session().Login({}), HasReason("INVALID_CREDENTIALS"));
  EXPECT_EQ(Session().Load()->credential, "first");
}

TEST_F(StoredSessionTest, FreshCredentialIsGivenWithoutACall) {
  LogIn();
  LeaveUntilExpiry(kMargin + absl::Nanoseconds(1));
  EXPECT_EQ(Session().Fresh(kMargin)->credential, "first");
  EXPECT_EQ(server_.CountOf("Refresh"), 0);
}

TEST_F(StoredSessionTest, CredentialThatExpiresWithinTheMarginIsRenewedAndKept) {
  LogIn();
  LeaveUntilExpiry(kMargin);
  EXPECT_EQ(Session().Fresh(kMargin)->credential, "second");
  EXPECT_EQ(Session().Fresh(kMargin)->credential, "second");
  EXPECT_EQ(Session().Load()->refresh_token, "refresh-2");
  EXPECT_EQ(server_.CountOf("Refresh"), 1);
}

TEST_F(StoredSessionTest, OfManyWhoFindItExpiredOneRefreshes) {
  LogIn();
  LeaveUntilExpiry(absl::ZeroDuration());
  std::vector<std::thread> threads;
  std::atomic<int> renewed = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, &renewed] { renewed += Session().Fresh(kMargin)->credential == "second" ? 1 : 0; });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(renewed, 8);
  EXPECT_EQ(server_.CountOf("Refresh"), 1);
}

TEST_F(StoredSessionTest, DuringAnOutageTheOldCredentialServesUntilItExpires) {
  LogIn();
  for (const auto code :
       {grpc::StatusCode::UNAVAILABLE, grpc::StatusCode::DEADLINE_EXCEEDED, grpc::StatusCode::RESOURCE_EXHAUSTED}) {
    RefuseRefresh(code, "STORE_UNAVAILABLE: later");
    LeaveUntilExpiry(absl::Nanoseconds(1));
    EXPECT_EQ(Session().Fresh(kMargin)->credential, "first");
    LeaveUntilExpiry(absl::ZeroDuration());
    EXPECT_THAT(Session().Fresh(kMargin), HasCode(static_cast<absl::StatusCode>(code)));
  }
}

TEST_F(StoredSessionTest, RefusedRefreshIsAnErrorEvenWhileTheOldCredentialWouldServe) {
  LogIn();
  LeaveUntilExpiry(kMargin);
  for (const char* reason : {"TOKEN_REVOKED", "REFRESH_TOKEN_REUSED", "TOKEN_EXPIRED"}) {
    RefuseRefresh(grpc::StatusCode::UNAUTHENTICATED, reason);
    EXPECT_THAT(Session().Fresh(kMargin), HasReason(reason));
  }
}

TEST_F(StoredSessionTest, ExpiredSessionTokenIsAskedAboutBecauseUseExtendsIt) {
  session_token_ = true;
  LogIn();
  LeaveUntilExpiry(kMargin + absl::Nanoseconds(1));
  EXPECT_EQ(Session().Fresh(kMargin)->credential, "first");
  EXPECT_EQ(server_.CountOf("Validate"), 0);
  LeaveUntilExpiry(absl::ZeroDuration());
  server_.validate = [this](const auto&, v1::ValidateResponse& response) {
    response.set_active(true);
    response.mutable_expires_at()->set_seconds(absl::ToUnixSeconds(expiry_ + absl::Hours(1)));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Session().Fresh(kMargin)->expires_at, expiry_ + absl::Hours(1));
  EXPECT_EQ(Session().Fresh(kMargin)->credential, "first");
  EXPECT_EQ(server_.CountOf("Validate"), 1);
}

TEST_F(StoredSessionTest, SessionTokenThatIsOverIsRefused) {
  session_token_ = true;
  LogIn();
  LeaveUntilExpiry(absl::ZeroDuration());
  server_.validate = [](const auto&, v1::ValidateResponse& response) {
    response.set_reason("TOKEN_REVOKED");
    return grpc::Status::OK;
  };
  const auto login = Session().Fresh(kMargin);
  EXPECT_THAT(login, HasCode(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(login, HasReason("TOKEN_REVOKED"));
  EXPECT_THAT(Session().Refresh(), HasCode(absl::StatusCode::kFailedPrecondition));
}

TEST_F(StoredSessionTest, RefreshRenewsWhateverTheExpiry) {
  LogIn();
  EXPECT_EQ(Session().Refresh()->credential, "second");
}

TEST_F(StoredSessionTest, LogoutEndsTheSessionByItsRefreshTokenAndForgetsIt) {
  LogIn();
  server_.logout = [](const v1::LogoutRequest& request, auto&) {
    EXPECT_EQ(request.refresh_token(), "refresh-1");
    EXPECT_TRUE(request.all_sessions());
    return grpc::Status::OK;
  };
  EXPECT_THAT(Session().Logout({.all_sessions = true}), IsOk());
  EXPECT_THAT(Session().Load(), HasReason(kNotLoggedIn));
  EXPECT_THAT(Session().Fresh(kMargin), HasReason(kNotLoggedIn));
  EXPECT_THAT(Session().Logout({}), HasReason(kNotLoggedIn));
}

TEST_F(StoredSessionTest, LogoutOfASessionTokenPresentsIt) {
  session_token_ = true;
  LogIn();
  server_.logout = [](const v1::LogoutRequest& request, auto&) {
    EXPECT_EQ(request.refresh_token(), "");
    EXPECT_FALSE(request.all_sessions());
    return grpc::Status::OK;
  };
  EXPECT_THAT(Session().Logout({}), IsOk());
  EXPECT_THAT(server_.calls().back().authorization, testing::ElementsAre("Bearer first"));
}

TEST_F(StoredSessionTest, FailedLogoutKeepsTheLogin) {
  LogIn();
  server_.logout = [](const auto&, auto&) { return grpc::Status(grpc::StatusCode::INTERNAL, "x"); };
  EXPECT_THAT(Session().Logout({}), HasCode(absl::StatusCode::kInternal));
  EXPECT_THAT(Session().Load(), IsOk());
}

}  // namespace
}  // namespace watchword
