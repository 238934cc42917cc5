#include "server/transport/auth_handlers.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "testing/service_fixture.h"

namespace watchword {
namespace {

// AuthService as a client sees it, over a real connection.
class AuthHandlersTest : public ServiceTest {
 protected:
  AuthHandlersTest()
      : handlers_(*login_, *refresh_, *validate_, *logout_, *change_password_,
                  {.clock = clock_,
                   .log = log_,
                   .observe = [](auto, const auto&, auto) {},
                   .audit = audit_,
                   .caller = nullptr}) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&handlers_);
    server_ = builder.BuildAndStart();
    stub_ = v1::AuthService::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  }

  ~AuthHandlersTest() override { server_->Shutdown(); }

  // The answer to Validate of `credential` with `authorization` metadata, unless that is empty.
  grpc::Status Validate(const std::string& credential, const std::string& authorization = "") {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    if (!authorization.empty()) context.AddMetadata("authorization", authorization);
    v1::ValidateRequest request;
    request.set_credential(credential);
    v1::ValidateResponse response;
    return stub_->Validate(&context, request, &response);
  }

  AuthHandlers handlers_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::AuthService::Stub> stub_;
};

TEST_F(AuthHandlersTest, WhoAsksAboutAnotherWithoutSayingWhoIsToldThatTheOwnCredentialIsMissing) {
  const grpc::Status nobody = Validate("some credential");
  EXPECT_EQ(nobody.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(nobody.error_message(), testing::StartsWith("TOKEN_MISSING: "));

  const grpc::Status bad = Validate("some credential", "Bearer nonsense");
  EXPECT_EQ(bad.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(bad.error_message(), testing::StartsWith("TOKEN_INVALID: "));
}

}  // namespace
}  // namespace watchword
