#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/service/credentials.h"
#include "server/service/environment.h"
#include "watchword/base/secret.h"

namespace watchword {

// What administrators do with accounts. Names may be given in any form that is canonically equal.
//
// Thread-safe.
class Accounts {
 public:
  explicit Accounts(const Environment& environment) : environment_(environment) {}

  // Beside the errors named here: INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAVAILABLE, DEADLINE_EXCEEDED.

  // ALREADY_EXISTS (USER_EXISTS).
  void Create(std::string username, Secret password, std::vector<std::string> scopes, absl::Time deadline,
              Done<PrincipalRecord> done);

  // A user from another system.
  struct ImportedUser {
    std::string username;
    std::string password_hash;  // as PasswordHasher::CheckStored takes it; empty: no password, until one is set
    std::vector<std::string> scopes;
    bool disabled = false;
  };
  // Adds a user with the hash of a password that nobody here knows; it is hashed anew when the user first logs in.
  // ALREADY_EXISTS (USER_EXISTS).
  void Import(ImportedUser user, absl::Time deadline, Done<PrincipalRecord> done);

  struct NewSecret {
    PrincipalRecord account;
    std::string secret;  // its password, shown this once
  };
  // Adds a principal that is a program; its password is 32 random bytes as text. ALREADY_EXISTS (USER_EXISTS).
  void CreateServiceAccount(std::string name, std::vector<std::string> scopes, absl::Time deadline,
                            Done<NewSecret> done);

  // Gives it another secret and ends all its sessions. NOT_FOUND (USER_NOT_FOUND), FAILED_PRECONDITION
  // (NOT_A_SERVICE_ACCOUNT).
  void RotateSecret(std::string name, absl::Time deadline, Done<NewSecret> done);

  // Users and service accounts with a name after `after`, at most `limit`.
  void List(std::string after, size_t limit, absl::Time deadline, Done<std::vector<PrincipalRecord>> done);

  // Sets a password, ends all sessions of the user and forgets its failed logins. NOT_FOUND (USER_NOT_FOUND),
  // FAILED_PRECONDITION (NOT_A_USER).
  void SetPassword(std::string username, Secret password, absl::Time deadline, Done<PrincipalRecord> done);

  // Disabling ends all sessions of the user; enabling forgets its failed logins, also of one that is enabled already.
  // NOT_FOUND (USER_NOT_FOUND).
  void SetDisabled(std::string username, bool disabled, absl::Time deadline, Done<PrincipalRecord> done);

 private:
  const Environment environment_;
};

// The user with this name, in any form. INVALID_ARGUMENT, NOT_FOUND (USER_NOT_FOUND) or UNAVAILABLE.
absl::StatusOr<PrincipalRecord> FindUser(const Environment& environment, absl::string_view username);

}  // namespace watchword
