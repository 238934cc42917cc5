#include <string>

#include "absl/status/status.h"
#include "client/command/command_tree.h"
#include "client/command/commands.h"
#include "client/command/completion.h"
#include "client/command/man_page.h"
#include "version/version.h"

namespace watchword {

// These are about the command line itself: `app` describes it.
void AddShellCommands(CLI::App& app, Action& chosen) {
  auto shell = std::make_shared<std::string>();
  CLI::App* completion = app.add_subcommand("completion", "Print what completes this command in a shell");
  completion->add_option("SHELL", *shell, "The shell")
      ->required()
      ->option_text("bash|zsh|fish")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&app, &chosen, shell] {
    chosen = [&app, shell](Context& context) -> absl::StatusOr<ExitCode> {
      const auto script = *shell == "bash" ? BashCompletion : *shell == "zsh" ? ZshCompletion : FishCompletion;
      context.environment().out << script(app.get_name(), DescribeCommands(app));
      return kExitDone;
    };
  });

  app.add_subcommand("man", "Print the manual page, for man -l")->callback([&app, &chosen] {
    chosen = [&app](Context& context) -> absl::StatusOr<ExitCode> {
      context.environment().out << ManPage(app.get_name(), kVersion, DescribeCommands(app), app.get_footer());
      return kExitDone;
    };
  });
}

}  // namespace watchword
