#include "watchword/client/session_client.h"

#include <string>

#include "watchword/client/call.h"

namespace watchword {
namespace {

using Stub = v1::AuthService::StubInterface;

v1::LogoutRequest LogoutRequestOf(absl::string_view refresh_token, const LogoutScope& scope) {
  v1::LogoutRequest request;
  request.set_refresh_token(std::string(refresh_token));
  request.set_all_sessions(scope.all_sessions);
  request.set_wait_for_verifiers(scope.wait_for_verifiers);
  return request;
}

}  // namespace

SessionClient::SessionClient(const std::shared_ptr<grpc::ChannelInterface>& channel, absl::Duration timeout)
    : stub_(v1::AuthService::NewStub(channel)), timeout_(timeout) {}

absl::StatusOr<v1::LoginResponse> SessionClient::Login(const v1::LoginRequest& request) {
  return Call(*stub_, &Stub::Login, request, {timeout_});
}

absl::StatusOr<v1::RefreshResponse> SessionClient::Refresh(absl::string_view refresh_token) {
  v1::RefreshRequest request;
  request.set_refresh_token(std::string(refresh_token));
  return Call(*stub_, &Stub::Refresh, request, {timeout_});
}

absl::StatusOr<v1::ValidateResponse> SessionClient::Validate(absl::string_view credential) {
  return Call(*stub_, &Stub::Validate, v1::ValidateRequest(), {timeout_, credential});
}

absl::StatusOr<v1::ValidateResponse> SessionClient::ValidateFor(absl::string_view bearer,
                                                                absl::string_view credential) {
  v1::ValidateRequest request;
  request.set_credential(std::string(credential));
  return Call(*stub_, &Stub::Validate, request, {timeout_, bearer});
}

absl::StatusOr<v1::LogoutResponse> SessionClient::Logout(absl::string_view bearer, const LogoutScope& scope) {
  return Call(*stub_, &Stub::Logout, LogoutRequestOf("", scope), {timeout_, bearer});
}

absl::StatusOr<v1::LogoutResponse> SessionClient::LogoutByRefreshToken(absl::string_view refresh_token,
                                                                       const LogoutScope& scope) {
  return Call(*stub_, &Stub::Logout, LogoutRequestOf(refresh_token, scope), {timeout_});
}

absl::StatusOr<v1::ChangePasswordResponse> SessionClient::ChangePassword(absl::string_view bearer,
                                                                         const v1::ChangePasswordRequest& request) {
  return Call(*stub_, &Stub::ChangePassword, request, {timeout_, bearer});
}

}  // namespace watchword
