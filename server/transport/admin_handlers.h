#pragma once

#include "server/service/accounts.h"
#include "server/service/key_rotation.h"
#include "server/service/sessions.h"
#include "server/transport/rpc.h"
#include "watchword/v1/admin.grpc.pb.h"

namespace watchword {

// AdminService. That the caller may do this was decided by the gate, by the rule beside each RPC in admin.proto.
//
// Thread-safe.
class AdminHandlers final : public v1::AdminService::CallbackService {
 public:
  // Borrows all, which must outlive this.
  AdminHandlers(const Environment& environment, Accounts& accounts, Sessions& sessions, KeyRotation& keys,
                RpcTools tools)
      : environment_(environment), accounts_(accounts), sessions_(sessions), keys_(keys), tools_(std::move(tools)) {}

  grpc::ServerUnaryReactor* CreateUser(grpc::CallbackServerContext* context, const v1::CreateUserRequest* request,
                                       v1::CreateUserResponse* response) override;
  grpc::ServerUnaryReactor* ImportUser(grpc::CallbackServerContext* context, const v1::ImportUserRequest* request,
                                       v1::ImportUserResponse* response) override;
  grpc::ServerUnaryReactor* CreateServiceAccount(grpc::CallbackServerContext* context,
                                                 const v1::CreateServiceAccountRequest* request,
                                                 v1::CreateServiceAccountResponse* response) override;
  grpc::ServerUnaryReactor* RotateServiceAccountSecret(grpc::CallbackServerContext* context,
                                                       const v1::RotateServiceAccountSecretRequest* request,
                                                       v1::RotateServiceAccountSecretResponse* response) override;
  grpc::ServerUnaryReactor* ListUsers(grpc::CallbackServerContext* context, const v1::ListUsersRequest* request,
                                      v1::ListUsersResponse* response) override;
  grpc::ServerUnaryReactor* SetPassword(grpc::CallbackServerContext* context, const v1::SetPasswordRequest* request,
                                        v1::SetPasswordResponse* response) override;
  grpc::ServerUnaryReactor* DisableUser(grpc::CallbackServerContext* context, const v1::DisableUserRequest* request,
                                        v1::DisableUserResponse* response) override;
  grpc::ServerUnaryReactor* EnableUser(grpc::CallbackServerContext* context, const v1::EnableUserRequest* request,
                                       v1::EnableUserResponse* response) override;
  grpc::ServerUnaryReactor* ListSessions(grpc::CallbackServerContext* context, const v1::ListSessionsRequest* request,
                                         v1::ListSessionsResponse* response) override;
  grpc::ServerUnaryReactor* RevokeSessions(grpc::CallbackServerContext* context,
                                           const v1::RevokeSessionsRequest* request,
                                           v1::RevokeSessionsResponse* response) override;
  grpc::ServerUnaryReactor* ListSigningKeys(grpc::CallbackServerContext* context,
                                            const v1::ListSigningKeysRequest* request,
                                            v1::ListSigningKeysResponse* response) override;
  grpc::ServerUnaryReactor* RotateSigningKey(grpc::CallbackServerContext* context,
                                             const v1::RotateSigningKeyRequest* request,
                                             v1::RotateSigningKeyResponse* response) override;
  grpc::ServerUnaryReactor* RetireSigningKey(grpc::CallbackServerContext* context,
                                             const v1::RetireSigningKeyRequest* request,
                                             v1::RetireSigningKeyResponse* response) override;

 private:
  const Environment environment_;
  Accounts& accounts_;
  Sessions& sessions_;
  KeyRotation& keys_;
  const RpcTools tools_;
};

}  // namespace watchword
