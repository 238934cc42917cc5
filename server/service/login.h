#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/service/credentials.h"
#include "server/service/environment.h"
#include "server/service/password_check.h"
#include "watchword/base/secret.h"

namespace watchword {

// Checks a password and begins a session.
//
// Nothing slow happens inside a transaction; the account is looked at again by the statement that creates the session.
//
// Thread-safe.
class LoginCommand {
 public:
  struct Request {
    std::string username;
    Secret password;
    SessionKind kind = SessionKind::kAccessToken;
    std::vector<std::string> audiences;  // none: the default
    std::vector<std::string> scopes;     // none: all that the account has
    bool include_username = false;
    std::string certificate_sha256;  // of the client certificate to bind the credentials to; empty: none
    absl::Time deadline;
    std::string source;                  // as PasswordCheck::Attempt has it
    std::function<bool()> is_cancelled;  // as PasswordCheck::Attempt has it
  };

  explicit LoginCommand(const Environment& environment) : environment_(environment), passwords_(environment) {}

  // Errors: INVALID_ARGUMENT, UNAUTHENTICATED (INVALID_CREDENTIALS), PERMISSION_DENIED (SCOPE_NOT_GRANTED),
  // RESOURCE_EXHAUSTED (OVERLOADED, LOGIN_THROTTLED), UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED.
  void Run(Request request, Done<IssuedCredential> done);

 private:
  const Environment environment_;
  const PasswordCheck passwords_;
};

}  // namespace watchword
