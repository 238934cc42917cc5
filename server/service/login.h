#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/service/credentials.h"
#include "server/service/environment.h"
#include "watchword/base/secret.h"

namespace watchword {

// Checks a password and begins a session.
//
// An unknown name, a wrong password and a disabled account take the same path: one look-up, one hash (against a dummy
// if there is no account), one answer. Nothing slow happens inside a transaction; the account is looked at again by the
// statement that creates the session.
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
  };

  explicit LoginCommand(const Environment& environment) : environment_(environment) {}

  // Errors: INVALID_ARGUMENT, UNAUTHENTICATED (INVALID_CREDENTIALS), PERMISSION_DENIED (SCOPE_NOT_GRANTED),
  // RESOURCE_EXHAUSTED (OVERLOADED), UNAVAILABLE, DEADLINE_EXCEEDED.
  void Run(Request request, Done<IssuedCredential> done);

 private:
  const Environment environment_;
};

}  // namespace watchword
