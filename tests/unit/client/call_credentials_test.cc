#include "watchword/client/call_credentials.h"

#include <string>
#include <vector>

#include "fake_server.h"
#include "gmock/gmock.h"
#include "testing/status_matchers.h"
#include "watchword/client/channel.h"

namespace watchword {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using Stub = v1::AuthService::StubInterface;

// Hands out "first" until that is rejected, then "second".
class TwoTokens final : public TokenSource {
 public:
  explicit TwoTokens(std::string first = "first") : tokens_{std::move(first), "second"} {}
  absl::StatusOr<std::string> GetToken(absl::Duration) override { return tokens_[rejected_ ? 1 : 0]; }
  void Reject(absl::string_view credential) override { rejected_ = rejected_ || credential == tokens_[0]; }

 private:
  const std::vector<std::string> tokens_;
  std::atomic<bool> rejected_{false};
};

class CallCredentialsTest : public testing::Test {
 protected:
  void Refuse(const std::string& message) {
    server_.validate = [message](const auto&, auto&) {
      return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, message);
    };
  }
  absl::Status CallTwice(TokenSource& source) {
    return CallWithToken(source, *stub_, &Stub::Validate, v1::ValidateRequest()).status();
  }
  // Calls on a plaintext channel with these credentials.
  grpc::Status CallWith(const std::shared_ptr<grpc::CallCredentials>& credentials) {
    grpc::ClientContext context;
    context.set_credentials(credentials);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::ValidateResponse response;
    return stub_->Validate(&context, {}, &response);
  }

  FakeServer server_;
  const std::unique_ptr<Stub> stub_ = v1::AuthService::NewStub(*MakeChannel({.address = server_.address()}));
};

TEST_F(CallCredentialsTest, RefusedCredentialIsReplacedOnce) {
  for (const char* reason : {"TOKEN_EXPIRED: x", "TOKEN_INVALID: x"}) {
    Refuse(reason);
    TwoTokens source;
    const size_t before = server_.calls().size();
    EXPECT_THAT(CallTwice(source), HasCode(StatusCode::kUnauthenticated));
    const auto calls = server_.calls();
    ASSERT_EQ(calls.size(), before + 2);
    EXPECT_THAT(calls[before].authorization, ElementsAre("Bearer first"));
    EXPECT_THAT(calls[before + 1].authorization, ElementsAre("Bearer second"));
  }
}

TEST_F(CallCredentialsTest, OtherRefusalsAreNotTriedAgain) {
  for (const char* reason : {"TOKEN_REVOKED: x", "TOKEN_MISSING: x", "INVALID_CREDENTIALS: x", "no reason"}) {
    Refuse(reason);
    TwoTokens source;
    const size_t before = server_.calls().size();
    EXPECT_THAT(CallTwice(source), HasCode(StatusCode::kUnauthenticated));
    EXPECT_EQ(server_.calls().size(), before + 1) << reason;
  }
}

TEST_F(CallCredentialsTest, LocalErrorIsNeverTakenForARefusal) {
  EXPECT_FALSE(IsRefusedCredential(absl::UnauthenticatedError("TOKEN_EXPIRED: made here")));
  TwoTokens source("line\r\nend");
  EXPECT_THAT(CallTwice(source), HasCode(StatusCode::kInvalidArgument));
  EXPECT_TRUE(server_.calls().empty());
}

TEST_F(CallCredentialsTest, CredentialsGoOverPlaintextOnlyIfThatIsAllowed) {
  server_.validate = [](const auto&, auto&) { return grpc::Status::OK; };
  EXPECT_FALSE(CallWith(TokenCallCredentials(std::make_shared<TwoTokens>())).ok());
  EXPECT_TRUE(server_.calls().empty());
  const grpc::Status allowed = CallWith(TokenCallCredentials(std::make_shared<TwoTokens>(), AllowPlaintextTokens()));
  EXPECT_TRUE(allowed.ok()) << allowed.error_message();
  EXPECT_THAT(server_.calls().at(0).authorization, ElementsAre("Bearer first"));
}

TEST_F(CallCredentialsTest, CredentialThatNoneCanBeIsNotSent) {
  EXPECT_FALSE(CallWith(TokenCallCredentials(std::make_shared<TwoTokens>("a\r\nb"), AllowPlaintextTokens())).ok());
  EXPECT_TRUE(server_.calls().empty());
}

}  // namespace
}  // namespace watchword
