#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "server/crypto/password_hasher.h"
#include "server/store/store.h"
#include "watchword/base/clock.h"
#include "watchword/base/log.h"
#include "watchword/base/random.h"

namespace watchword {

// How the first administrator is made, with the scopes `watchword.admin` and `watchword.validate`.
struct Bootstrap {
  std::string username;                      // canonical
  std::optional<std::string> password_file;  // mode 0600, one line; if not given, a password is generated and
  std::string generated_password_file;       // written here, once, with mode 0600
  size_t password_min_characters = 15;
  std::string issuer;  // whose name is no password
};

// Makes the administrator if the store has no user yet. If it has, nothing happens: repeating the start is safe, and
// the flag is no way into a running system. FAILED_PRECONDITION, saying what to do, if the password file cannot be
// used; otherwise an error of the store.
absl::Status EnsureAdministrator(const Bootstrap& bootstrap, UserStore& users, const PasswordHasher& hasher,
                                 const Clock& clock, RandomSource& random, Logger& log);

}  // namespace watchword
