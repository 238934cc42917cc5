#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/command/admin_call.h"
#include "client/command/commands.h"

namespace watchword {
namespace {

using Admin = v1::AdminService::StubInterface;

struct UserOptions {
  std::string username;
  bool password_stdin = false;
  std::vector<std::string> scopes;
};

nlohmann::ordered_json ToJson(const v1::User& user) {
  return {{"username", user.principal().username()},
          {"kind", user.principal().kind() == v1::PRINCIPAL_KIND_SERVICE_ACCOUNT ? "service account" : "user"},
          {"subject", user.principal().subject()},
          {"disabled", user.disabled()},
          {"created_at", TimeText(user.created_at())},
          {"scopes", user.scopes()}};
}

// The new password, asked for once it is known that there is a login to use it with.
absl::StatusOr<Secret> NewPassword(Context& context, const UserOptions& options) {
  if (const auto session = context.Session(); !session.ok()) return session.status();
  return GetPassword(options.password_stdin, /*confirm=*/true, options.username, context.environment().in,
                     context.environment().prompt);
}

absl::StatusOr<ExitCode> Add(Context& context, const UserOptions& options) {
  const auto password = NewPassword(context, options);
  if (!password.ok()) return password.status();
  v1::CreateUserRequest request;
  request.set_username(options.username);
  request.set_password(std::string(password->Reveal()));
  request.mutable_scopes()->Assign(options.scopes.begin(), options.scopes.end());
  const auto response = AdminCall(context, &Admin::CreateUser, request);
  Secret::Wipe(*request.mutable_password());
  if (!response.ok()) return response.status();
  context.Print(ToJson(response->user()));
  return kExitDone;
}

absl::StatusOr<ExitCode> SetPassword(Context& context, const UserOptions& options) {
  const auto password = NewPassword(context, options);
  if (!password.ok()) return password.status();
  v1::SetPasswordRequest request;
  request.set_username(options.username);
  request.set_password(std::string(password->Reveal()));
  const auto response = AdminCall(context, &Admin::SetPassword, request);
  Secret::Wipe(*request.mutable_password());
  if (!response.ok()) return response.status();
  context.Say(absl::StrCat("password of ", options.username, " set; all of the user's sessions are ended"));
  return kExitDone;
}

absl::StatusOr<ExitCode> List(Context& context) {
  auto users = nlohmann::ordered_json::array();
  const auto status =
      AdminPages(context, &Admin::ListUsers, v1::ListUsersRequest(), [&users](const v1::ListUsersResponse& page) {
        for (const auto& user : page.users()) users.push_back(ToJson(user));
      });
  if (!status.ok()) return status;
  context.Print(users);
  return kExitDone;
}

absl::StatusOr<ExitCode> Disable(Context& context, const UserOptions& options) {
  v1::DisableUserRequest request;
  request.set_username(options.username);
  const auto response = AdminCall(context, &Admin::DisableUser, request);
  if (!response.ok()) return response.status();
  context.Say(absl::StrCat(options.username, " is disabled; all of the user's sessions are ended"));
  return kExitDone;
}

absl::StatusOr<ExitCode> Enable(Context& context, const UserOptions& options) {
  v1::EnableUserRequest request;
  request.set_username(options.username);
  const auto response = AdminCall(context, &Admin::EnableUser, request);
  if (!response.ok()) return response.status();
  context.Say(absl::StrCat(options.username, " is enabled"));
  return kExitDone;
}

// A subcommand about one user.
CLI::App* AddUserCommand(CLI::App& group, Action& chosen, const std::shared_ptr<UserOptions>& options,
                         const std::string& name, const std::string& description,
                         absl::StatusOr<ExitCode> (*run)(Context&, const UserOptions&)) {
  CLI::App* command = group.add_subcommand(name, description);
  command->add_option("NAME", options->username, "The user")->required();
  OnParsed(command, chosen, options, run);
  return command;
}

}  // namespace

void AddUserCommands(CLI::App& app, Action& chosen) {
  CLI::App& group = *app.add_subcommand("user", "Administer users")->require_subcommand(1);
  auto options = std::make_shared<UserOptions>();
  CLI::App* add = AddUserCommand(group, chosen, options, "add", "Add a user", Add);
  add->add_option("--scope", options->scopes, "A scope its credentials may carry; repeatable")->allow_extra_args(false);
  AddImportCommand(group, chosen);
  OnParsed(group.add_subcommand("list", "List all users"), chosen, List);
  CLI::App* passwd =
      AddUserCommand(group, chosen, options, "passwd", "Set a user's password and end its sessions", SetPassword);
  for (CLI::App* command : {add, passwd}) {
    command->add_flag("--password-stdin", options->password_stdin,
                      "Read the password from standard input, not the terminal");
  }
  AddUserCommand(group, chosen, options, "disable", "Bar a user from logging in and end its sessions", Disable);
  AddUserCommand(group, chosen, options, "enable", "Let a disabled user log in again", Enable);
}

}  // namespace watchword
