#pragma once

#include <memory>

#include <grpcpp/channel.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "watchword/v1/auth.grpc.pb.h"

namespace watchword {

// How far a logout goes.
struct LogoutScope {
  bool all_sessions = false;        // every session of the principal, not only this one
  bool wait_for_verifiers = false;  // until every live verifier has acknowledged it, or shortly before the deadline
};

// Calls AuthService. Each call has the deadline `timeout`; errors are those of the server (see auth.proto), as
// FromGrpcStatus gives them.
//
// Thread-safe.
class SessionClient {
 public:
  // The channel must be one of MakeChannel: credentials are sent on it.
  SessionClient(const std::shared_ptr<grpc::ChannelInterface>& channel, absl::Duration timeout);

  absl::StatusOr<v1::LoginResponse> Login(const v1::LoginRequest& request);

  absl::StatusOr<v1::RefreshResponse> Refresh(absl::string_view refresh_token);

  // Judges `credential`, presenting it as the call's own.
  absl::StatusOr<v1::ValidateResponse> Validate(absl::string_view credential);

  // Judges `credential` for the caller whose own is `bearer`, which needs the scope `watchword.validate`.
  absl::StatusOr<v1::ValidateResponse> ValidateFor(absl::string_view bearer, absl::string_view credential);

  // Ends the session of a credential, or all of its principal's.
  absl::StatusOr<v1::LogoutResponse> Logout(absl::string_view bearer, const LogoutScope& scope);

  // Ends the session of a refresh token, or all of its principal's.
  absl::StatusOr<v1::LogoutResponse> LogoutByRefreshToken(absl::string_view refresh_token, const LogoutScope& scope);

  // Changes the password of the user whose credential `bearer` is, which ends all of the user's sessions.
  absl::StatusOr<v1::ChangePasswordResponse> ChangePassword(absl::string_view bearer,
                                                            const v1::ChangePasswordRequest& request);

 private:
  const std::unique_ptr<v1::AuthService::StubInterface> stub_;
  const absl::Duration timeout_;
};

}  // namespace watchword
