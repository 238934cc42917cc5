#pragma once

#include <string>
#include <vector>

#include "client/command/context.h"

namespace watchword {

// Runs `watchword` with `arguments` (without the program's name) and returns its exit code, an ExitCode. Reads
// WATCHWORD_* and the folder of logins from the environment variables.
int RunCommand(const std::vector<std::string>& arguments, const Environment& environment);

}  // namespace watchword
