#pragma once

#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/service/credentials.h"
#include "server/service/environment.h"
#include "watchword/base/secret.h"

namespace watchword {

// Decides whether a password is an account's: the one place where passwords are guessed, whether by Login or when
// somebody changes the own one.
//
// An unknown name, a wrong password, a disabled account and one without a password take the same path: one look-up, the
// work of one hash (against a dummy if there is nothing to verify against), one note in the throttle, one answer; and
// so does an account that is blocked for failed logins. When the hashing executor would refuse, nothing is looked up at
// all.
//
// Thread-safe.
class PasswordCheck {
 public:
  struct Attempt {
    std::string username;  // canonical
    std::string source;    // where it comes from, as base/source_address.h writes it
    Secret password;       // as it came, of at most kMaxPasswordSize bytes
    absl::Time deadline;
    std::function<bool()> is_cancelled;  // whether nobody waits for the answer any more; may be empty
  };

  // What a right password shows.
  struct Proof {
    PrincipalRecord principal;
    std::string
        new_hash;  // of the same password, if the stored one costs too little or is of another system; else empty
  };

  explicit PasswordCheck(const Environment& environment) : environment_(environment) {}

  // Calls `done` with a proof on a thread of the store executor. Errors: UNAUTHENTICATED (INVALID_CREDENTIALS),
  // RESOURCE_EXHAUSTED (OVERLOADED, or LOGIN_THROTTLED for the source), UNAVAILABLE, DEADLINE_EXCEEDED; and CANCELLED,
  // without a verdict, if it was cancelled before its turn came.
  void Run(Attempt attempt, Done<Proof> done) const;

  // The one answer to all that are not right. Log nothing else about it to the caller.
  static absl::Status Refused();

 private:
  const Environment environment_;
};

// The hash of a password that somebody wants to have, which is canonical and of sufficient length: INVALID_ARGUMENT
// naming `field` if it is a common one, RESOURCE_EXHAUSTED (OVERLOADED). For the hashing executor.
absl::StatusOr<std::string> HashNewPassword(const Environment& environment, const Secret& password,
                                            absl::string_view username, absl::string_view field);

// What can be said at once about a password that somebody wants to have: its canonical form, or INVALID_ARGUMENT naming
// `field`.
absl::StatusOr<Secret> CheckPasswordForm(const Environment& environment, const Secret& password,
                                         absl::string_view field);

}  // namespace watchword
