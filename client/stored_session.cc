#include "watchword/client/stored_session.h"

#include <utility>

#include "watchword/base/reason.h"
#include "watchword/client/call.h"

namespace watchword {
namespace {

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

// LoginResponse and RefreshResponse have the same fields.
template <typename Response>
void Take(const Response& response, StoredLogin& login) {
  login.session_id = response.session_id();
  login.credential = response.credential();
  login.expires_at = FromProto(response.expires_at());
  login.refresh_token = response.refresh_token();
  login.scopes.assign(response.scopes().begin(), response.scopes().end());
}

// Whether the server could not say, so that nothing is known against the old credential.
bool IsOutage(const absl::Status& status) {
  return IsCallError(status) &&
         (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status));
}

}  // namespace

StoredSession::StoredSession(const CredentialFolder& folder, SessionClient& client, const Clock& clock,
                             std::string address, std::string username, absl::Duration lock_timeout)
    : folder_(folder),
      client_(client),
      clock_(clock),
      address_(std::move(address)),
      username_(std::move(username)),
      lock_timeout_(lock_timeout) {}

absl::StatusOr<StoredLogin> StoredSession::Login(const v1::LoginRequest& request) {
  const auto lock = Lock();  // before the session begins: a folder that cannot be written must not leave one behind
  if (!lock.ok()) return lock.status();
  const auto response = client_.Login(request);
  if (!response.ok()) return response.status();
  StoredLogin login{.address = address_, .username = username_};
  Take(*response, login);
  if (auto status = folder_.Save(login); !status.ok()) return status;
  if (auto status = folder_.SetDefaultUser(address_, username_); !status.ok()) return status;
  return login;
}

absl::StatusOr<StoredLogin> StoredSession::Load() const { return folder_.Load(address_, username_); }

absl::StatusOr<StoredLogin> StoredSession::Fresh(absl::Duration margin) {
  auto login = Load();
  if (!login.ok() || WorksFor(*login, margin)) return login;
  const auto lock = Lock();
  if (!lock.ok()) return lock.status();
  login = Load();  // another process may have renewed or removed it while we waited
  if (!login.ok() || WorksFor(*login, margin)) return login;
  auto renewed = Renew(*login);
  if (IsOutage(renewed.status()) && WorksFor(*login, absl::ZeroDuration())) return login;
  return renewed;
}

absl::StatusOr<StoredLogin> StoredSession::Refresh() {
  const auto lock = Lock();
  if (!lock.ok()) return lock.status();
  auto login = Load();
  if (!login.ok()) return login;
  if (login->is_session_token()) {
    return absl::FailedPreconditionError("a session token is never refreshed: it is extended each time it is used");
  }
  return RenewAccessToken(*std::move(login));
}

absl::StatusOr<v1::LogoutResponse> StoredSession::Logout(const LogoutScope& scope) {
  const auto lock = Lock();
  if (!lock.ok()) return lock.status();
  const auto login = Load();
  if (!login.ok()) return login.status();
  // By refresh token where there is one: an old access token may be of a key that the server has forgotten.
  auto ended = login->is_session_token() ? client_.Logout(login->credential, scope)
                                         : client_.LogoutByRefreshToken(login->refresh_token, scope);
  if (!ended.ok()) return ended;
  if (auto status = folder_.Remove(address_, username_); !status.ok()) return status;
  return ended;
}

absl::StatusOr<FileLock> StoredSession::Lock() const { return folder_.Lock(address_, username_, lock_timeout_); }

bool StoredSession::WorksFor(const StoredLogin& login, absl::Duration margin) const {
  return clock_.Now() + margin < login.expires_at;
}

absl::StatusOr<StoredLogin> StoredSession::Renew(StoredLogin login) {
  return login.is_session_token() ? AskAboutSessionToken(std::move(login)) : RenewAccessToken(std::move(login));
}

absl::StatusOr<StoredLogin> StoredSession::RenewAccessToken(StoredLogin login) {
  const auto response = client_.Refresh(login.refresh_token);
  if (!response.ok()) return response.status();
  Take(*response, login);
  if (auto status = folder_.Save(login); !status.ok()) return status;
  return login;
}

// Services may have used, and so extended, the session token since its expiry was stored: only the server knows.
absl::StatusOr<StoredLogin> StoredSession::AskAboutSessionToken(StoredLogin login) {
  const auto response = client_.Validate(login.credential);
  if (!response.ok()) return response.status();
  if (!response->active()) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, response->reason(), "the session is over");
  }
  login.expires_at = FromProto(response->expires_at());
  if (auto status = folder_.Save(login); !status.ok()) return status;
  return login;
}

}  // namespace watchword
