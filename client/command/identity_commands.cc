#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/command/commands.h"

namespace watchword {
namespace {

constexpr size_t kMaxCredentialSize = 8 << 10;  // what the server takes

struct ValidateOptions {
  std::string token;
};

nlohmann::ordered_json ToJson(const v1::ValidateResponse& response) {
  if (!response.active()) return {{"active", false}, {"reason", response.reason()}};
  return {{"active", true},
          {"username", response.principal().username()},
          {"subject", response.principal().subject()},
          {"session_id", response.session_id()},
          {"kind", response.kind() == v1::CREDENTIAL_KIND_SESSION_TOKEN ? "session_token" : "access_token"},
          {"audiences", response.audiences()},
          {"scopes", response.scopes()},
          {"expires_at", TimeText(response.expires_at())}};
}

absl::StatusOr<ExitCode> Show(Context& context, const absl::StatusOr<v1::ValidateResponse>& response) {
  if (!response.ok()) return response.status();
  context.Print(ToJson(*response));
  if (response->active()) return kExitDone;
  context.Say(absl::StrCat("the credential is not active: ", response->reason()));
  return kExitRefused;
}

absl::StatusOr<std::string> ReadToken(std::istream& in) {
  std::string text(kMaxCredentialSize + 2, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  absl::StripTrailingAsciiWhitespace(&text);
  if (text.empty()) return absl::InvalidArgumentError("no token on standard input");
  if (text.size() > kMaxCredentialSize) {
    return absl::InvalidArgumentError(absl::StrCat("the token is longer than ", kMaxCredentialSize, " bytes"));
  }
  if (!IsUtf8(text)) return absl::InvalidArgumentError("the token is not text");
  return text;
}

absl::StatusOr<ExitCode> Whoami(Context& context) {
  const auto call = context.Authenticated();
  if (!call.ok()) return call.status();
  const auto client = context.Client();
  if (!client.ok()) return client.status();
  return Show(context, (*client)->Validate(call->bearer));
}

// The stored credential as it is, expired or not: that is what was asked about.
absl::StatusOr<ExitCode> ValidateStored(Context& context) {
  const auto session = context.Session();
  if (!session.ok()) return session.status();
  const auto login = (*session)->Load();
  if (!login.ok()) return login.status();
  const auto client = context.Client();
  if (!client.ok()) return client.status();
  return Show(context, (*client)->Validate(login->credential));
}

absl::StatusOr<ExitCode> Validate(Context& context, const ValidateOptions& options) {
  if (options.token.empty()) return ValidateStored(context);
  const auto token =
      options.token == "-" ? ReadToken(context.environment().in) : absl::StatusOr<std::string>(options.token);
  if (!token.ok()) return token.status();
  const auto call = context.Authenticated();
  if (!call.ok()) return call.status();
  const auto client = context.Client();
  if (!client.ok()) return client.status();
  return Show(context, (*client)->ValidateFor(call->bearer, *token));
}

}  // namespace

void AddIdentityCommands(CLI::App& app, Action& chosen) {
  OnParsed(app.add_subcommand("whoami", "Say who the stored login is"), chosen, Whoami);

  auto validate = std::make_shared<ValidateOptions>();
  CLI::App* command = app.add_subcommand("validate", "Ask the server whether a credential is good, and whose it is");
  command->add_option("TOKEN", validate->token, "The credential, or - for standard input; default: the stored one");
  OnParsed(command, chosen, validate, Validate);
}

}  // namespace watchword
