#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "watchword/base/clock.h"
#include "watchword/client/credential_file.h"
#include "watchword/client/session_client.h"

namespace watchword {

// A stored login and the server that it is from: keeps the stored credential fresh. Whatever changes the stored login
// is done under its lock, so that of several processes that find it expired one refreshes and the others use the result
// (a refresh token is used once: using it twice would end the session).
//
// Thread-safe.
class StoredSession {
 public:
  // Borrows all but the strings. `address` as CanonicalAddress gives it. Waits for a lock at most `lock_timeout`.
  StoredSession(const CredentialFolder& folder, SessionClient& client, const Clock& clock, std::string address,
                std::string username, absl::Duration lock_timeout);

  // Logs in, stores the result and makes it the default at the address. The errors of Login and CredentialFolder::Save.
  absl::StatusOr<StoredLogin> Login(const v1::LoginRequest& request);

  // The login as stored, good or not.
  absl::StatusOr<StoredLogin> Load() const;

  // The login, with a credential that works for longer than `margin`, renewed if need be; for less if the server cannot
  // be reached and it works still. NOT_FOUND (NOT_LOGGED_IN), UNAUTHENTICATED if the session is over, the server's
  // errors if it is needed and does not answer, and local ones of files and locks.
  absl::StatusOr<StoredLogin> Fresh(absl::Duration margin);

  // Renews the access token in any case. As Fresh; FAILED_PRECONDITION for a session token, which has no need of it.
  absl::StatusOr<StoredLogin> Refresh();

  // Ends the session, or all of its principal's, and forgets the login. If the server fails, the login is kept, so that
  // the session is not left alive with nobody able to end it.
  absl::StatusOr<v1::LogoutResponse> Logout(const LogoutScope& scope);

 private:
  absl::StatusOr<FileLock> Lock() const;
  bool WorksFor(const StoredLogin& login, absl::Duration margin) const;
  absl::StatusOr<StoredLogin> Renew(StoredLogin login);
  absl::StatusOr<StoredLogin> RenewAccessToken(StoredLogin login);
  absl::StatusOr<StoredLogin> AskAboutSessionToken(StoredLogin login);

  const CredentialFolder& folder_;
  SessionClient& client_;
  const Clock& clock_;
  const std::string address_;
  const std::string username_;
  const absl::Duration lock_timeout_;
};

}  // namespace watchword
