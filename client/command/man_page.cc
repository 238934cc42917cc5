#include "client/command/man_page.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace watchword {
namespace {

// A line of text: nothing in it is taken for a request or an escape.
std::string Text(absl::string_view text) {
  std::string escaped = absl::StrReplaceAll(text, {{"\\", "\\e"}, {"-", "\\-"}, {"\n", " "}});
  if (absl::StartsWith(escaped, ".") || absl::StartsWith(escaped, "'")) escaped.insert(0, "\\&");
  return escaped;
}

std::string Bold(absl::string_view text) { return absl::StrCat("\\fB", Text(text), "\\fR"); }
std::string Italic(absl::string_view text) { return absl::StrCat("\\fI", Text(text), "\\fR"); }

std::string Paragraph(const CommandOption& option) {
  std::string head = absl::StartsWith(option.name, "-") ? Bold(option.name) : Italic(option.name);
  const std::vector<std::string> choices = option.choices();
  if (absl::StartsWith(option.name, "-") && !option.value.empty()) absl::StrAppend(&head, " ", Italic(option.value));
  std::string text = absl::StrCat(".TP\n", head, "\n", Text(option.description), ".");
  if (!absl::StartsWith(option.name, "-") && !choices.empty()) {
    absl::StrAppend(&text, "\nOne of ", Text(absl::StrReplaceAll(option.value, {{"|", ", "}})), ".");
  }
  if (option.required && absl::StartsWith(option.name, "-")) text += "\nRequired.";
  return absl::StrCat(text, "\n");
}

// ".SS watchword user add [options] NAME"
std::string Heading(const std::string& name, const CommandInfo& command) {
  std::string line = absl::StrCat(".SS ", Bold(absl::StrCat(name, " ", command.path)));
  if (!command.options.empty()) absl::StrAppend(&line, " [", Italic("options"), "]");
  for (const CommandOption& argument : command.arguments) {
    absl::StrAppend(&line, " ",
                    argument.required ? Italic(argument.name) : absl::StrCat("[", Italic(argument.name), "]"));
  }
  return absl::StrCat(line, "\n");
}

}  // namespace

std::string ManPage(const std::string& name, absl::string_view version, const std::vector<CommandInfo>& commands,
                    absl::string_view footer) {
  const CommandInfo& program = commands.front();
  std::string page = absl::StrCat(".TH ", absl::AsciiStrToUpper(name), " 1 \"\" \"", Text(name), " ", Text(version),
                                  "\" \"User commands\"\n", ".SH NAME\n", Text(name), " \\- ",
                                  Text(program.description), "\n.SH SYNOPSIS\n", Bold(name), " [", Italic("options"),
                                  "] ", Italic("command"), " ...\n.SH COMMANDS\n");
  for (const CommandInfo& command : commands) {
    // Those with subcommands do nothing by themselves.
    if (command.path.empty() || !command.subcommands.empty()) continue;
    absl::StrAppend(&page, Heading(name, command), Text(command.description), ".\n");
    for (const CommandOption& argument : command.arguments) page += Paragraph(argument);
    for (const CommandOption& option : command.options) page += Paragraph(option);
  }
  absl::StrAppend(&page, ".SH OPTIONS\nThese may stand before or behind any command.\n");
  for (const CommandOption& option : program.options) page += Paragraph(option);
  absl::StrAppend(&page, ".SH ENVIRONMENT\n");
  for (const CommandOption& option : program.options) {
    if (option.variable.empty()) continue;
    absl::StrAppend(&page, ".TP\n", Bold(option.variable), "\nAs ", Bold(option.name), ", which wins over it.\n");
  }
  absl::StrAppend(&page, ".SH EXIT STATUS\n", Text(footer), "\n");
  return page;
}

}  // namespace watchword
