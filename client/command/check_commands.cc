#include <string>

#include "absl/strings/str_cat.h"
#include "client/command/commands.h"
#include "client/command/verify_command.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace watchword {
namespace {

using HealthStub = grpc::health::v1::Health::StubInterface;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

struct HealthOptions {
  std::string service;
};

absl::StatusOr<ExitCode> Health(Context& context, const HealthOptions& options) {
  const auto channel = context.Channel();
  if (!channel.ok()) return channel.status();
  const std::unique_ptr<HealthStub> stub = grpc::health::v1::Health::NewStub(*channel);
  HealthCheckRequest request;
  request.set_service(options.service);
  const auto response = Call(*stub, &HealthStub::Check, request, {context.options().timeout});
  if (!response.ok()) return response.status();
  const std::string& state = HealthCheckResponse::ServingStatus_Name(response->status());
  if (context.options().format == OutputFormat::kJson) {
    context.Print({{"service", options.service}, {"status", state}});
  } else {
    context.environment().out << state << '\n';
  }
  return response->status() == HealthCheckResponse::SERVING ? kExitDone : kExitServer;
}

absl::StatusOr<ExitCode> Verify(Context& context, const VerifyOptions& options) {
  const auto& environment = context.environment();
  return static_cast<ExitCode>(RunVerify(options, environment.in, environment.out, environment.err, environment.clock));
}

}  // namespace

void AddCheckCommands(CLI::App& app, Action& chosen) {
  auto health = std::make_shared<HealthOptions>();
  CLI::App* command = app.add_subcommand("health", "Ask whether the server, or one of its services, is serving");
  command->add_option("SERVICE", health->service, "Such as watchword.v1.AuthService; default: the server");
  OnParsed(command, chosen, health, Health);

  auto verify = std::make_shared<VerifyOptions>();
  command = app.add_subcommand("verify", "Check tokens offline: one a line on standard input, one verdict a line out");
  command->add_option("--jwks", verify->jwks_file, "The JWK Set to check signatures with")
      ->type_name("FILE")
      ->required();
  command->add_option("--issuer", verify->issuer, "The issuer that tokens must have");
  command->add_option("--audience", verify->audience, "The audience that tokens must have");
  command->add_option("--now", verify->now, "The time to judge by, in seconds since 1970; default: the clock's");
  command->add_flag("--signature-only", verify->signature_only, "Stop after the signature, whatever the payload");
  command->add_flag("--base64", verify->base64, "Each line is the base64 of a token's bytes");
  OnParsed(command, chosen, verify, Verify);
}

}  // namespace watchword
