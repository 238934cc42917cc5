#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "watchword/base/mutex.h"
#include "watchword/v1/admin.grpc.pb.h"
#include "watchword/v1/auth.grpc.pb.h"

namespace watchword {

// What a call brought with it besides its request.
struct SeenCall {
  std::string method;
  std::vector<std::string> authorization;
};

// Answers the calls of one request type as a test says; UNIMPLEMENTED until it does. Set before the call is made.
template <typename Request, typename Response>
using Answer = std::function<grpc::Status(const Request&, Response&)>;

// A Watchword server without any rules: records what comes and answers what the test wants.
class FakeServer {
 public:
  // `address` with port 0, or a Unix socket.
  explicit FakeServer(const std::string& address = "127.0.0.1:0",
                      const std::shared_ptr<grpc::ServerCredentials>& credentials = grpc::InsecureServerCredentials()) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(address, credentials, &port);
    builder.RegisterService(&auth_);
    builder.RegisterService(&admin_);
    grpc::EnableDefaultHealthCheckService(true);
    server_ = builder.BuildAndStart();
    address_ = address == "127.0.0.1:0" ? absl::StrCat("127.0.0.1:", port) : address;
  }
  ~FakeServer() { Stop(); }

  const std::string& address() const { return address_; }
  void Stop() { server_->Shutdown(std::chrono::system_clock::now()); }
  grpc::HealthCheckServiceInterface& health() { return *server_->GetHealthCheckService(); }

  std::vector<SeenCall> calls() const {
    MutexLock lock(mutex_);
    return calls_;
  }
  int CountOf(const std::string& method) const {
    int count = 0;
    for (const SeenCall& call : calls()) count += call.method == method ? 1 : 0;
    return count;
  }

  Answer<v1::LoginRequest, v1::LoginResponse> login;
  Answer<v1::RefreshRequest, v1::RefreshResponse> refresh;
  Answer<v1::ValidateRequest, v1::ValidateResponse> validate;
  Answer<v1::LogoutRequest, v1::LogoutResponse> logout;
  Answer<v1::ChangePasswordRequest, v1::ChangePasswordResponse> change_password;
  Answer<v1::CreateUserRequest, v1::CreateUserResponse> create_user;
  Answer<v1::ImportUserRequest, v1::ImportUserResponse> import_user;
  Answer<v1::ListUsersRequest, v1::ListUsersResponse> list_users;
  Answer<v1::SetPasswordRequest, v1::SetPasswordResponse> set_password;
  Answer<v1::DisableUserRequest, v1::DisableUserResponse> disable_user;
  Answer<v1::EnableUserRequest, v1::EnableUserResponse> enable_user;
  Answer<v1::ListSessionsRequest, v1::ListSessionsResponse> list_sessions;
  Answer<v1::RevokeSessionsRequest, v1::RevokeSessionsResponse> revoke_sessions;
  Answer<v1::ListSigningKeysRequest, v1::ListSigningKeysResponse> list_signing_keys;
  Answer<v1::RotateSigningKeyRequest, v1::RotateSigningKeyResponse> rotate_signing_key;
  Answer<v1::RetireSigningKeyRequest, v1::RetireSigningKeyResponse> retire_signing_key;

 private:
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Serve(grpc::CallbackServerContext* context, const std::string& method,
                                  const Answer<Request, Response>& answer, const Request* request, Response* response) {
    SeenCall call{.method = method};
    const auto range = context->client_metadata().equal_range("authorization");
    for (auto i = range.first; i != range.second; ++i) {
      call.authorization.emplace_back(i->second.data(), i->second.size());
    }
    {
      MutexLock lock(mutex_);
      calls_.push_back(std::move(call));
    }
    auto* reactor = context->DefaultReactor();
    reactor->Finish(answer ? answer(*request, *response) : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "not faked"));
    return reactor;
  }

#define WATCHWORD_FAKE_METHOD(Method, member)                                                                \
  grpc::ServerUnaryReactor* Method(grpc::CallbackServerContext* context, const v1::Method##Request* request, \
                                   v1::Method##Response* response) override {                                \
    return server_.Serve(context, #Method, server_.member, request, response);                               \
  }
  class Auth final : public v1::AuthService::CallbackService {
   public:
    explicit Auth(FakeServer& server) : server_(server) {}
    WATCHWORD_FAKE_METHOD(Login, login)
    WATCHWORD_FAKE_METHOD(Refresh, refresh)
    WATCHWORD_FAKE_METHOD(Validate, validate)
    WATCHWORD_FAKE_METHOD(Logout, logout)
    WATCHWORD_FAKE_METHOD(ChangePassword, change_password)

   private:
    FakeServer& server_;
  };
  class Admin final : public v1::AdminService::CallbackService {
   public:
    explicit Admin(FakeServer& server) : server_(server) {}
    WATCHWORD_FAKE_METHOD(CreateUser, create_user)
    WATCHWORD_FAKE_METHOD(ImportUser, import_user)
    WATCHWORD_FAKE_METHOD(ListUsers, list_users)
    WATCHWORD_FAKE_METHOD(SetPassword, set_password)
    WATCHWORD_FAKE_METHOD(DisableUser, disable_user)
    WATCHWORD_FAKE_METHOD(EnableUser, enable_user)
    WATCHWORD_FAKE_METHOD(ListSessions, list_sessions)
    WATCHWORD_FAKE_METHOD(RevokeSessions, revoke_sessions)
    WATCHWORD_FAKE_METHOD(ListSigningKeys, list_signing_keys)
    WATCHWORD_FAKE_METHOD(RotateSigningKey, rotate_signing_key)
    WATCHWORD_FAKE_METHOD(RetireSigningKey, retire_signing_key)

   private:
    FakeServer& server_;
  };
#undef WATCHWORD_FAKE_METHOD

  Auth auth_{*this};
  Admin admin_{*this};
  mutable Mutex mutex_;
  std::vector<SeenCall> calls_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

// Fills a LoginResponse or RefreshResponse.
template <typename Response>
grpc::Status Grant(Response& response, const std::string& credential, absl::Time expires_at,
                   const std::string& refresh_token) {
  response.set_credential(credential);
  response.set_token_type("Bearer");
  response.mutable_expires_at()->set_seconds(absl::ToUnixSeconds(expires_at));
  response.set_refresh_token(refresh_token);
  response.set_session_id("session-1");
  response.add_scopes("orders.read");
  return grpc::Status::OK;
}

}  // namespace watchword
