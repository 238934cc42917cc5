#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/command/admin_call.h"
#include "client/command/commands.h"
#include "watchword/base/reason.h"

namespace watchword {
namespace {

using Admin = v1::AdminService::StubInterface;

struct ListOptions {
  std::string username;
};

struct RevokeOptions {
  std::string session_id;
  std::string username;
};

nlohmann::ordered_json ToJson(const v1::Session& session) {
  return {{"session_id", session.session_id()},
          {"kind", session.kind() == v1::CREDENTIAL_KIND_SESSION_TOKEN ? "session_token" : "access_token"},
          {"created_at", TimeText(session.created_at())},
          {"last_used_at", TimeText(session.last_used_at())},
          {"idle_expires_at", TimeText(session.idle_expires_at())},
          {"expires_at", TimeText(session.expires_at())},
          {"audiences", session.audiences()},
          {"scopes", session.scopes()}};
}

nlohmann::ordered_json ToJson(const v1::SigningKey& key) {
  const std::string& state = v1::SigningKeyState_Name(key.state());  // empty for one that this version does not know
  return {{"kid", key.kid()},
          {"algorithm", key.algorithm()},
          {"state", absl::AsciiStrToLower(absl::StripPrefix(state, "SIGNING_KEY_STATE_"))},
          {"created_at", TimeText(key.created_at())},
          {"changed_at", TimeText(key.changed_at())}};
}

// The canonical name of the stored login's user.
absl::StatusOr<std::string> OwnName(Context& context) {
  const auto call = context.Authenticated();
  if (!call.ok()) return call.status();
  const auto client = context.Client();
  if (!client.ok()) return client.status();
  const auto response = (*client)->Validate(call->bearer);
  if (!response.ok()) return response.status();
  if (!response->active()) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, response->reason(), "the stored login is not active");
  }
  return response->principal().username();
}

absl::StatusOr<ExitCode> List(Context& context, const ListOptions& options) {
  const auto username = options.username.empty() ? OwnName(context) : absl::StatusOr<std::string>(options.username);
  if (!username.ok()) return username.status();
  v1::ListSessionsRequest request;
  request.set_username(*username);
  auto sessions = nlohmann::ordered_json::array();
  const auto status =
      AdminPages(context, &Admin::ListSessions, request, [&sessions](const v1::ListSessionsResponse& page) {
        for (const auto& session : page.sessions()) sessions.push_back(ToJson(session));
      });
  if (!status.ok()) return status;
  context.Print(sessions);
  return kExitDone;
}

absl::StatusOr<ExitCode> Revoke(Context& context, const RevokeOptions& options) {
  if (options.session_id.empty() == options.username.empty()) {
    return absl::InvalidArgumentError("session revoke takes either a session's ID or, after it, --user NAME");
  }
  v1::RevokeSessionsRequest request;
  if (options.username.empty()) {
    request.set_session_id(options.session_id);
  } else {
    request.set_username(options.username);
  }
  const auto response = AdminCall(context, &Admin::RevokeSessions, request);
  if (!response.ok()) return response.status();
  context.Say(options.username.empty() ? absl::StrCat("session ", options.session_id, " is revoked")
                                       : absl::StrCat("all sessions of ", options.username, " are revoked"));
  return kExitDone;
}

absl::StatusOr<ExitCode> ListKeys(Context& context) {
  const auto response = AdminCall(context, &Admin::ListSigningKeys, v1::ListSigningKeysRequest());
  if (!response.ok()) return response.status();
  auto keys = nlohmann::ordered_json::array();
  for (const auto& key : response->keys()) keys.push_back(ToJson(key));
  context.Print(keys);
  return kExitDone;
}

struct RotateOptions {
  bool now = false;
};

absl::StatusOr<ExitCode> RotateKey(Context& context, const RotateOptions& options) {
  v1::RotateSigningKeyRequest request;
  request.set_now(options.now);
  const auto response = AdminCall(context, &Admin::RotateSigningKey, request);
  if (!response.ok()) return response.status();
  context.Print(ToJson(response->key()));
  return kExitDone;
}

struct RetireOptions {
  std::string key_id;
  bool compromised = false;
};

absl::StatusOr<ExitCode> RetireKey(Context& context, const RetireOptions& options) {
  if (!options.compromised) {
    return absl::InvalidArgumentError(
        "key retire ends every credential that the key has signed: say --compromised if that is wanted. Otherwise use "
        "`watchword key rotate`");
  }
  v1::RetireSigningKeyRequest request;
  request.set_kid(options.key_id);
  request.set_compromised(true);
  const auto response = AdminCall(context, &Admin::RetireSigningKey, request);
  if (!response.ok()) return response.status();
  context.Say(absl::StrCat("what ", options.key_id, " has signed is refused from now on; ",
                           response->active_key().kid(), " signs"));
  return kExitDone;
}

}  // namespace

void AddSessionCommands(CLI::App& app, Action& chosen) {
  CLI::App& sessions = *app.add_subcommand("session", "Administer sessions")->require_subcommand(1);
  auto list = std::make_shared<ListOptions>();
  CLI::App* command = sessions.add_subcommand("list", "List a user's live sessions");
  command->add_option("NAME", list->username, "The user; default: the stored login's own");
  OnParsed(command, chosen, list, List);

  auto revoke = std::make_shared<RevokeOptions>();
  command = sessions.add_subcommand("revoke", "End one session, or all of a user");
  command->add_option("ID", revoke->session_id, "The session's id");
  command->add_option("--user", revoke->username, "End all sessions of this user (here not the login to use)");
  OnParsed(command, chosen, revoke, Revoke);

  CLI::App& keys = *app.add_subcommand("key", "Administer signing keys")->require_subcommand(1);
  OnParsed(keys.add_subcommand("list", "List the signing keys"), chosen, ListKeys);
  auto rotate = std::make_shared<RotateOptions>();
  command = keys.add_subcommand("rotate", "Publish a new signing key, which signs once all verifiers have it");
  command->add_flag("--now", rotate->now, "Let it sign at once");
  OnParsed(command, chosen, rotate, RotateKey);
  auto retire = std::make_shared<RetireOptions>();
  command = keys.add_subcommand("retire", "Refuse whatever a key has signed, everywhere");
  command->add_option("KEY_ID", retire->key_id, "The key's id, as `key list` shows it")->required();
  command->add_flag("--compromised", retire->compromised, "Others may have got at it");
  OnParsed(command, chosen, retire, RetireKey);
}

}  // namespace watchword
