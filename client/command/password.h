#pragma once

#include <istream>
#include <string>

#include "absl/status/statusor.h"
#include "watchword/base/secret.h"

namespace watchword {

// Asks a person for passwords. An interface so that tests can answer.
class PasswordPrompt {
 public:
  virtual ~PasswordPrompt() = default;

  // Shows `prompt` and returns what is typed, which is not shown. FAILED_PRECONDITION if there is no terminal.
  virtual absl::StatusOr<Secret> Ask(const std::string& prompt) = 0;
};

// Asks on /dev/tty, whatever standard input and output are. An interrupt while it asks restores the terminal first.
PasswordPrompt& TerminalPrompt();

// Everything in `in`, without one newline at its end. INVALID_ARGUMENT if it is empty, larger than a password may be
// (1,024 bytes) or not UTF-8.
absl::StatusOr<Secret> ReadPassword(std::istream& in);

// As ReadPassword from `in` if `from_stream`, else by asking; with `confirm` twice, INVALID_ARGUMENT if the answers
// differ.
absl::StatusOr<Secret> GetPassword(bool from_stream, bool confirm, const std::string& username, std::istream& in,
                                   PasswordPrompt& prompt);

// A user's password, and what it shall become.
struct PasswordChange {
  Secret current;
  Secret wanted;
};

// Two lines of `in` if `from_stream`, the current password and the new one; else by asking, for the new one twice. The
// errors of GetPassword.
absl::StatusOr<PasswordChange> GetPasswordChange(bool from_stream, const std::string& username, std::istream& in,
                                                 PasswordPrompt& prompt);

}  // namespace watchword
