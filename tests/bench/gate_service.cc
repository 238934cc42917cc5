// The service of the interceptor benchmark: the same one with a gate and without. Prints its port and, with a gate,
// tokens that it lets in.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "bench_service.h"
#include "testing/test_certificates.h"
#include "watchword/base/clock.h"
#include "watchword/gate/gate.h"
#include "watchword/trust/trust_state.h"

namespace watchword {
namespace {

struct Settings {
  bool gate = false, tls = false, sync = false;
  int revocations = 1'000'000;
};

std::shared_ptr<grpc::ServerCredentials> BareCredentials(bool tls, const TestCertificates& certificates) {
  if (!tls) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back(
      {ReadTestFile(certificates.server_key_file()), ReadTestFile(certificates.server_certificate_file())});
  return grpc::SslServerCredentials(options);
}

void Revoke(TrustState& trust, int revocations) {
  const absl::Time now = absl::Now();
  for (int i = 0; i < revocations; ++i) {
    trust.revocations().Add(
        {.target = Revocation::Session{Uuid::NewV7(now, SystemRandom()).value()}, .expires_at = now + absl::Hours(1)},
        now);
  }
}

int Run(const Settings& settings) {
  const TestSigner signer(Algorithm::kEs256);
  const TestCertificates certificates;
  TrustState trust(SystemClock());
  trust.SetKeys(signer.keys());
  if (settings.gate) Revoke(trust, settings.revocations);
  const auto gate =
      Gate::CreateOn(trust, {.issuer = std::string(kTestIssuer), .audiences = {std::string(kTestAudience)}}).value();
  grpc::ServerBuilder builder;
  int port = 0;
  if (settings.gate) {
    gate->AddListeningPort(
        builder, "localhost:0",
        settings.tls ? PortSecurity::Tls(certificates.server_certificate_file(), certificates.server_key_file())
                     : PortSecurity::Plaintext(),
        &port);
  } else {
    builder.AddListeningPort("localhost:0", BareCredentials(settings.tls, certificates), &port);
  }
  CallbackBenchService callback;
  SyncBenchService sync;
  if (settings.sync) {
    builder.RegisterService(&sync);
  } else {
    builder.RegisterService(&callback);
  }
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  Print({{"address", absl::StrCat("localhost:", port)},
         {"ca_file", settings.tls ? certificates.ca_file() : ""},
         {"bearers", MintTokens(signer)}});
  WaitToBeEnded();
  server->Shutdown();
  return 0;
}

}  // namespace
}  // namespace watchword

int main(int argc, char** argv) {
  watchword::KeepSignals();
  watchword::Settings settings;
  CLI::App app("Answers, with a gate before it or without, until SIGTERM.");
  app.add_flag("--gate", settings.gate, "With a gate");
  app.add_flag("--tls", settings.tls, "With TLS");
  app.add_flag("--sync", settings.sync, "A sync service instead of a callback service");
  app.add_option("--revocations", settings.revocations, "How many are in force")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return watchword::Run(settings);
}
