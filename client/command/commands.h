#pragma once

#include <functional>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>

#include "absl/status/statusor.h"
#include "client/command/context.h"
#include "client/command/failure.h"

namespace watchword {

// What the command line asks for: run once parsing is done. An error is described on standard error by the caller.
using Action = std::function<absl::StatusOr<ExitCode>(Context&)>;

// Makes `command` choose `run` with the options that parsing has filled in.
template <typename Options>
void OnParsed(CLI::App* command, Action& chosen, std::shared_ptr<Options> options,
              absl::StatusOr<ExitCode> (*run)(Context&, const Options&)) {
  command->callback([&chosen, options = std::move(options), run] {
    chosen = [options, run](Context& context) { return run(context, *options); };
  });
}

// For commands without options.
inline void OnParsed(CLI::App* command, Action& chosen, absl::StatusOr<ExitCode> (*run)(Context&)) {
  command->callback([&chosen, run] { chosen = run; });
}

// Each adds a group of subcommands to `app`. `chosen` must outlive it.
void AddLoginCommands(CLI::App& app, Action& chosen);     // login, token, refresh, logout
void AddPasswordCommands(CLI::App& app, Action& chosen);  // password, calibrate-hash
void AddIdentityCommands(CLI::App& app, Action& chosen);  // whoami, validate
void AddUserCommands(CLI::App& app, Action& chosen);      // user …
void AddImportCommand(CLI::App& users, Action& chosen);   // user import
void AddSessionCommands(CLI::App& app, Action& chosen);   // session …, key …
void AddServiceCommands(CLI::App& app, Action& chosen);   // service-account …, rules
void AddCheckCommands(CLI::App& app, Action& chosen);     // health, verify
void AddShellCommands(CLI::App& app, Action& chosen);     // completion, man; `app` must outlive the action

}  // namespace watchword
