#pragma once

#include "server/service/change_password.h"
#include "server/service/login.h"
#include "server/service/logout.h"
#include "server/service/refresh.h"
#include "server/service/validate.h"
#include "server/transport/call_audit.h"
#include "server/transport/rpc.h"
#include "watchword/v1/auth.grpc.pb.h"

namespace watchword {

// AuthService: takes requests apart, runs the use case, puts the answer together.
//
// Thread-safe.
class AuthHandlers final : public v1::AuthService::CallbackService {
 public:
  // Borrows all, which must outlive this.
  AuthHandlers(LoginCommand& login, RefreshCommand& refresh, ValidateQuery& validate, LogoutCommand& logout,
               ChangePasswordCommand& change_password, RpcTools tools)
      : login_(login),
        refresh_(refresh),
        validate_(validate),
        logout_(logout),
        change_password_(change_password),
        tools_(std::move(tools)) {}

  grpc::ServerUnaryReactor* Login(grpc::CallbackServerContext* context, const v1::LoginRequest* request,
                                  v1::LoginResponse* response) override;
  grpc::ServerUnaryReactor* Refresh(grpc::CallbackServerContext* context, const v1::RefreshRequest* request,
                                    v1::RefreshResponse* response) override;
  grpc::ServerUnaryReactor* Validate(grpc::CallbackServerContext* context, const v1::ValidateRequest* request,
                                     v1::ValidateResponse* response) override;
  grpc::ServerUnaryReactor* Logout(grpc::CallbackServerContext* context, const v1::LogoutRequest* request,
                                   v1::LogoutResponse* response) override;
  grpc::ServerUnaryReactor* ChangePassword(grpc::CallbackServerContext* context,
                                           const v1::ChangePasswordRequest* request,
                                           v1::ChangePasswordResponse* response) override;

 private:
  void BeginLogin(UnaryCall call, CallAudit audit, LoginCommand::Request login, const v1::LoginRequest* request,
                  v1::LoginResponse* response);
  void BeginLoginForClient(const grpc::CallbackServerContext& context, UnaryCall call, CallAudit audit,
                           LoginCommand::Request login, const v1::LoginRequest* request, v1::LoginResponse* response);

  LoginCommand& login_;
  RefreshCommand& refresh_;
  ValidateQuery& validate_;
  LogoutCommand& logout_;
  ChangePasswordCommand& change_password_;
  const RpcTools tools_;
};

}  // namespace watchword
