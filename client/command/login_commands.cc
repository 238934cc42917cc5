#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/command/commands.h"

namespace watchword {
namespace {

struct LoginOptions {
  std::string username;
  bool password_stdin = false;
  bool session_token = false;
  std::vector<std::string> audiences;
  std::vector<std::string> scopes;
  bool include_username = false;
};

struct TokenOptions {
  bool exec_credential = false;
};

struct LogoutOptions {
  bool wait = false;
  bool all = false;
};

v1::LoginRequest RequestFor(const LoginOptions& options, const Secret& password) {
  v1::LoginRequest request;
  request.set_username(options.username);
  request.set_password(std::string(password.Reveal()));
  request.set_kind(options.session_token ? v1::CREDENTIAL_KIND_SESSION_TOKEN : v1::CREDENTIAL_KIND_ACCESS_TOKEN);
  request.mutable_audiences()->Assign(options.audiences.begin(), options.audiences.end());
  request.mutable_scopes()->Assign(options.scopes.begin(), options.scopes.end());
  request.set_include_username(options.include_username);
  return request;
}

// Never the credential itself: this may end up on a screen that others see.
nlohmann::ordered_json Describe(const StoredLogin& login) {
  return {{"username", login.username},
          {"session_id", login.session_id},
          {"kind", login.is_session_token() ? "session_token" : "access_token"},
          {"scopes", login.scopes},
          {"expires_at", TimeText(login.expires_at)}};
}

absl::StatusOr<ExitCode> Login(Context& context, const LoginOptions& options) {
  const auto session = context.SessionOf(options.username);  // before the password: what is wrong here needs none
  if (!session.ok()) return session.status();
  const auto& environment = context.environment();
  const auto password =
      GetPassword(options.password_stdin, /*confirm=*/false, options.username, environment.in, environment.prompt);
  if (!password.ok()) return password.status();
  v1::LoginRequest request = RequestFor(options, *password);
  const auto login = (*session)->Login(request);
  Secret::Wipe(*request.mutable_password());
  if (!login.ok()) return login.status();
  context.Print(Describe(*login));
  context.Say(absl::StrCat("logged in at ", login->address));
  return kExitDone;
}

// What kubectl and its like expect of a program that they run for a credential (client.authentication.k8s.io/v1).
nlohmann::ordered_json ExecCredential(const StoredLogin& login) {
  return {{"kind", "ExecCredential"},
          {"apiVersion", "client.authentication.k8s.io/v1"},
          {"status", {{"expirationTimestamp", TimeText(login.expires_at)}, {"token", login.credential}}}};
}

absl::StatusOr<ExitCode> Token(Context& context, const TokenOptions& options) {
  const auto session = context.Session();
  if (!session.ok()) return session.status();
  const auto login = (*session)->Fresh(Context::kMargin);
  if (!login.ok()) return login.status();
  if (options.exec_credential) {
    context.environment().out << ExecCredential(*login).dump() << '\n';
  } else if (context.options().format == OutputFormat::kJson) {
    context.Print(
        {{"credential", login->credential}, {"token_type", "Bearer"}, {"expires_at", TimeText(login->expires_at)}});
  } else {
    context.environment().out << login->credential << '\n';
  }
  return kExitDone;
}

absl::StatusOr<ExitCode> Refresh(Context& context) {
  const auto session = context.Session();
  if (!session.ok()) return session.status();
  const auto login = (*session)->Refresh();
  if (!login.ok()) return login.status();
  context.Print(Describe(*login));
  return kExitDone;
}

absl::StatusOr<ExitCode> Logout(Context& context, const LogoutOptions& options) {
  const auto session = context.Session();
  if (!session.ok()) return session.status();
  const auto ended = (*session)->Logout({.all_sessions = options.all, .wait_for_verifiers = options.wait});
  if (!ended.ok()) return ended.status();
  context.Say(options.all ? "logged out of all sessions" : "logged out");
  if (options.wait) {
    context.Say(absl::StrCat(ended->verifiers_acknowledged(), " of ", ended->verifiers_live(),
                             " services that watch have acknowledged it, ", ended->verifiers_lost(), " are lost"));
  }
  return kExitDone;
}

}  // namespace

void AddLoginCommands(CLI::App& app, Action& chosen) {
  auto login = std::make_shared<LoginOptions>();
  CLI::App* command = app.add_subcommand("login", "Log in, and keep the login for the other commands");
  command->add_option("NAME", login->username, "Who logs in")->required();
  command->add_flag("--password-stdin", login->password_stdin,
                    "Read the password from standard input, not the terminal");
  command->add_flag("--session-token", login->session_token, "Get an opaque session token, not an access token");
  command->add_option("--audience", login->audiences, "A service it is for; repeatable")->allow_extra_args(false);
  command->add_option("--scope", login->scopes, "A scope it shall carry; repeatable")->allow_extra_args(false);
  command->add_flag("--include-username", login->include_username, "Put the name into access tokens");
  OnParsed(command, chosen, login, Login);

  auto token = std::make_shared<TokenOptions>();
  command = app.add_subcommand("token", "Print a credential that works, renewed if need be, and nothing else");
  command
      ->add_option_function<std::string>(
          "--format", [token](const std::string& format) { token->exec_credential = format == "exec-credential"; },
          "How: by itself, or as kubectl takes it; --output is for people")
      ->option_text("plain|exec-credential")
      ->check(CLI::IsMember({"plain", "exec-credential"}));
  OnParsed(command, chosen, token, Token);
  OnParsed(app.add_subcommand("refresh", "Get a new access token now"), chosen, Refresh);

  auto logout = std::make_shared<LogoutOptions>();
  command = app.add_subcommand("logout", "End the session and forget the login");
  command->add_flag("--all", logout->all, "End all sessions of the user, everywhere");
  command->add_flag("--wait", logout->wait, "Wait until every service that watches has acknowledged it");
  OnParsed(command, chosen, logout, Logout);
}

}  // namespace watchword
