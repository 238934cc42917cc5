#include "client/command/command_tree.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace watchword {
namespace {

CommandOption Describe(const CLI::Option& option) {
  CommandOption described{.name = option.get_positional() ? option.get_name(/*positional=*/true) : "",
                          .description = option.get_description(),
                          .variable = option.get_envname(),
                          .required = option.get_required()};
  if (!option.get_lnames().empty()) {
    described.name = absl::StrCat("--", option.get_lnames().front());
  } else if (!option.get_snames().empty()) {
    described.name = absl::StrCat("-", option.get_snames().front());
  }
  if (option.get_items_expected_max() > 0) {
    described.value = option.get_option_text().empty() ? option.get_type_name() : option.get_option_text();
  }
  return described;
}

void Append(const CLI::App& app, const std::string& path, std::vector<CommandInfo>& commands) {
  CommandInfo info{.path = path, .description = app.get_description()};
  for (const CLI::Option* option : app.get_options()) {
    // Every command has --help; saying it once is enough.
    if (!path.empty() && option == app.get_help_ptr()) continue;
    (option->get_positional() ? info.arguments : info.options).push_back(Describe(*option));
  }
  const auto subcommands = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* subcommand : subcommands) info.subcommands.push_back(subcommand->get_name());
  commands.push_back(std::move(info));
  for (const CLI::App* subcommand : subcommands) {
    Append(*subcommand, path.empty() ? subcommand->get_name() : absl::StrCat(path, " ", subcommand->get_name()),
           commands);
  }
}

}  // namespace

std::vector<std::string> CommandOption::choices() const {
  if (!absl::StrContains(value, "|")) return {};
  return absl::StrSplit(value, '|');
}

std::vector<CommandInfo> DescribeCommands(const CLI::App& app) {
  std::vector<CommandInfo> commands;
  Append(app, "", commands);
  return commands;
}

}  // namespace watchword
