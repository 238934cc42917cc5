#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/command/command_tree.h"

namespace watchword {

// The manual page of the program `name`, section 1, in man(7)'s language: the commands with their options, the options
// of the program, its environment variables. `footer` is what --help ends with.
std::string ManPage(const std::string& name, absl::string_view version, const std::vector<CommandInfo>& commands,
                    absl::string_view footer);

}  // namespace watchword
