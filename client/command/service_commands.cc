#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/command/admin_call.h"
#include "client/command/commands.h"
#include "watchword/base/file.h"
#include "watchword/v1/verifier.grpc.pb.h"

namespace watchword {
namespace {

using Admin = v1::AdminService::StubInterface;

struct AccountOptions {
  std::string name;
  std::vector<std::string> scopes;
  std::string out;
};

// The secret is on no screen and in no shell history: it goes into a file that only its owner may read.
absl::Status WriteAccountFile(const std::string& path, const std::string& name, const std::string& secret, bool fresh) {
  const std::string text = nlohmann::ordered_json({{"name", name}, {"secret", secret}}).dump(2) + "\n";
  return fresh ? CreateSecretFile(path, text) : WriteSecretFile(path, text);
}

absl::StatusOr<ExitCode> AddAccount(Context& context, const AccountOptions& options) {
  // Before the account is made: a secret that cannot be written down is lost.
  if (auto status = WriteAccountFile(options.out, options.name, "", /*fresh=*/true); !status.ok()) return status;
  v1::CreateServiceAccountRequest request;
  request.set_name(options.name);
  request.mutable_scopes()->Assign(options.scopes.begin(), options.scopes.end());
  const auto response = AdminCall(context, &Admin::CreateServiceAccount, request);
  if (!response.ok()) {
    std::remove(options.out.c_str());
    return response.status();
  }
  const auto status = WriteAccountFile(options.out, options.name, response->secret(), /*fresh=*/false);
  if (!status.ok()) return status;
  context.Say(absl::StrCat("service account ", options.name, " added; its secret is in ", options.out));
  return kExitDone;
}

absl::StatusOr<ExitCode> RotateSecret(Context& context, const AccountOptions& options) {
  v1::RotateServiceAccountSecretRequest request;
  request.set_name(options.name);
  const auto response = AdminCall(context, &Admin::RotateServiceAccountSecret, request);
  if (!response.ok()) return response.status();
  const auto status = WriteAccountFile(options.out, options.name, response->secret(), /*fresh=*/false);
  if (!status.ok()) return status;
  context.Say(absl::StrCat("secret of ", options.name, " replaced in ", options.out, "; its sessions are ended"));
  return kExitDone;
}

std::string Describe(const v1::AccessRule& rule) {
  std::vector<std::string> parts;
  if (rule.allow_anonymous()) parts.emplace_back("anonymous");
  if (rule.require_scopes_size() > 0)
    parts.emplace_back(absl::StrCat("all of ", absl::StrJoin(rule.require_scopes(), " ")));
  if (rule.require_any_scope_size() > 0) {
    parts.emplace_back(absl::StrCat("any of ", absl::StrJoin(rule.require_any_scope(), " ")));
  }
  if (!rule.audience().empty()) parts.emplace_back(absl::StrCat("audience ", rule.audience()));
  if (rule.require_bound()) parts.emplace_back("bound");
  if (rule.when_stale() == v1::WHEN_STALE_REFUSE) parts.emplace_back("refused when stale");
  if (rule.when_stale() == v1::WHEN_STALE_ACCEPT_UNTIL_EXPIRY) parts.emplace_back("accepted when stale");
  return parts.empty() ? "a valid credential" : absl::StrJoin(parts, ", ");
}

absl::string_view Describe(v1::RuleOrigin origin) {
  switch (origin) {
    case v1::RULE_ORIGIN_OPTION:
      return "proto";
    case v1::RULE_ORIGIN_PROGRAM:
      return "program";
    case v1::RULE_ORIGIN_LIBRARY:
      return "library";
    default:
      return "none";
  }
}

struct RulesOptions {
  std::string server;
};

absl::StatusOr<ExitCode> ListRules(Context& context, const RulesOptions& options) {
  const auto call = context.Authenticated();
  if (!call.ok()) return call.status();
  ChannelOptions server = context.options().channel;
  if (!options.server.empty()) server.address = options.server;
  const auto channel = MakeChannel(server);
  if (!channel.ok()) return channel.status();
  const std::unique_ptr<v1::VerifierService::StubInterface> stub = v1::VerifierService::NewStub(*channel);
  const auto response = Call(*stub, &v1::VerifierService::StubInterface::ListRules, v1::ListRulesRequest(), *call);
  if (!response.ok()) return response.status();
  auto rules = nlohmann::ordered_json::array();
  for (const v1::MethodRule& rule : response->rules()) {
    rules.push_back(
        {{"method", rule.method()}, {"rule", Describe(rule.rule())}, {"from", std::string(Describe(rule.origin()))}});
  }
  context.Print(rules);
  return kExitDone;
}

}  // namespace

void AddServiceCommands(CLI::App& app, Action& chosen) {
  CLI::App* group = app.add_subcommand("service-account", "Principals that are programs")->require_subcommand(1);
  auto add = std::make_shared<AccountOptions>();
  CLI::App* command = group->add_subcommand("add", "Add one, with a generated secret");
  command->add_option("NAME", add->name, "Its name")->required();
  command->add_option("--scope", add->scopes, "A scope it may have, such as watchword.verifier; repeatable")
      ->allow_extra_args(false);
  command->add_option("--out", add->out, "Where to put its name and secret; a new file, mode 0600")
      ->type_name("FILE")
      ->required();
  OnParsed(command, chosen, add, AddAccount);

  auto rotate = std::make_shared<AccountOptions>();
  command = group->add_subcommand("rotate", "Give one another secret, and end its sessions");
  command->add_option("NAME", rotate->name, "Its name")->required();
  command->add_option("--out", rotate->out, "Where to put its name and secret; replaces the file")
      ->type_name("FILE")
      ->required();
  OnParsed(command, chosen, rotate, RotateSecret);

  auto rules = std::make_shared<RulesOptions>();
  command = app.add_subcommand("rules", "List each method of a server that has a gate, and who may call it");
  command->add_option("SERVER", rules->server, "HOST:PORT or unix:PATH; default: the auth service's own");
  OnParsed(command, chosen, rules, ListRules);
}

}  // namespace watchword
