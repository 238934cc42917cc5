#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace watchword {

// How `watchword` ends. A promise to scripts.
enum ExitCode : int {
  kExitDone = 0,
  kExitLocal = 1,        // wrong usage, or something on this machine
  kExitServer = 2,       // the server or the network
  kExitRefused = 3,      // the server answered, and the answer is no
  kExitNotLoggedIn = 4,  // there is no stored login
};

ExitCode ExitCodeOf(const absl::Status& failure);

// One line for a person: what was wrong, with which value, and what to do.
std::string DescribeFailure(const absl::Status& failure, const std::string& address, absl::Duration timeout);

}  // namespace watchword
