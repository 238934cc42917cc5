#pragma once

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "server/service/credentials.h"
#include "server/service/environment.h"
#include "server/service/password_check.h"
#include "server/service/validate.h"
#include "watchword/base/secret.h"

namespace watchword {

// Lets a user change the own password: with a live credential, so that only somebody who is logged in can try, and with
// the current password, so that a stolen credential is not enough. A wrong one counts as a login that failed.
//
// It ends all sessions of the user, the caller's too, by the one entry that setting a password makes: an exception for
// one session would have to be known to every verifier. The caller logs in again.
//
// Thread-safe.
class ChangePasswordCommand {
 public:
  struct Request {
    std::string bearer;  // an access token or a session token, for whatever audience
    Secret current_password;
    Secret new_password;
    absl::Time deadline;
    std::string source;                  // as PasswordCheck::Attempt has it
    std::function<bool()> is_cancelled;  // as PasswordCheck::Attempt has it
  };

  // Borrows `validate`, which must outlive this.
  ChangePasswordCommand(const Environment& environment, ValidateQuery& validate)
      : environment_(environment), validate_(validate), passwords_(environment) {}

  // Errors: UNAUTHENTICATED with the reason why the credential is not good, or INVALID_CREDENTIALS if the current
  // password is wrong or was changed meanwhile; FAILED_PRECONDITION (NOT_A_USER), INVALID_ARGUMENT, RESOURCE_EXHAUSTED,
  // UNAVAILABLE, DEADLINE_EXCEEDED.
  void Run(Request request, Done<PrincipalRecord> done);

 private:
  void Prove(const Validation& who, Request request, Done<PrincipalRecord> done);
  void HashAndStore(PrincipalRecord principal, Secret wanted, absl::Time deadline, Done<PrincipalRecord> done);
  void Store(PrincipalRecord principal, std::string hash, absl::Time deadline, Done<PrincipalRecord> done);

  const Environment environment_;
  ValidateQuery& validate_;
  const PasswordCheck passwords_;
};

}  // namespace watchword
