#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace watchword {

// An option or argument, as --help shows it.
struct CommandOption {
  std::string name;   // "--scope", "-h" or, for an argument, "NAME"
  std::string value;  // what follows it: "TEXT", "FILE", or the choices as in "text|json"; empty for a flag
  std::string description;
  std::string variable;  // the environment variable that sets it; may be empty
  bool required = false;

  bool takes_file() const { return value == "FILE"; }
  // "text" and "json" of "text|json"; empty if anything may be given.
  std::vector<std::string> choices() const;
};

// A command with its path, such as "user add"; the path of the program itself is empty.
struct CommandInfo {
  std::string path;
  std::string description;
  std::vector<CommandOption> options;
  std::vector<CommandOption> arguments;
  std::vector<std::string> subcommands;  // names
};

// All commands of a program, itself first, each before its subcommands. The one source of the completions and of the
// manual page, so that they say what --help says. Options of the program itself may stand behind any command.
std::vector<CommandInfo> DescribeCommands(const CLI::App& app);

}  // namespace watchword
