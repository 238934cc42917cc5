#pragma once

#include <string>
#include <vector>

#include "client/command/command_tree.h"

namespace watchword {

// Scripts that complete the commands, options and choices of the program `name`, and files where an option takes one.
// They ask nothing of the program when they are used. To be sourced, or put where the shell looks for completions.
std::string BashCompletion(const std::string& name, const std::vector<CommandInfo>& commands);
std::string ZshCompletion(const std::string& name, const std::vector<CommandInfo>& commands);
std::string FishCompletion(const std::string& name, const std::vector<CommandInfo>& commands);

}  // namespace watchword
