// How long it takes from the answer of a Logout until each of many verifiers refuses the session's credentials. Needs a
// running auth service, and the file of a service account with the scope watchword.verifier.
#include <grpcpp/create_channel.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "measure.h"
#include "watchword/base/clock.h"
#include "watchword/base/log.h"
#include "watchword/client/session_client.h"
#include "watchword/client/token_source.h"
#include "watchword/token/credential.h"
#include "watchword/trust/feed_client.h"
#include "watchword/trust/trust_state.h"

namespace watchword {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

struct Settings {
  std::string name = "logout_lag";
  std::string address;
  std::vector<std::string> verifiers_at;
  std::string account;
  int verifiers = 100;
  int logouts = 200;
  bool wait = false;
};

// A connection of its own, as another process would have.
std::shared_ptr<grpc::Channel> NewChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

struct Verifier {
  Verifier(const Settings& settings, int number, const std::shared_ptr<TokenSource>& self)
      : feed(NewChannel(settings.verifiers_at[static_cast<size_t>(number) % settings.verifiers_at.size()]),
             {.verifier = absl::StrCat("bench-", number), .token_source = self, .allow_plaintext_tokens = true}, trust,
             StderrLogger()) {}

  TrustState trust{SystemClock()};
  FeedClient feed;
};

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "feed_lag_bench: %s\n", std::string(status.message()).c_str());
  return 1;
}

// Milliseconds from the answer of a Logout until verifiers know.
struct Lags {
  std::vector<double> each;  // for each verifier, and each logout
  std::vector<double> all;   // until the last verifier knows, for each logout
  std::vector<double> call;  // of the Logout itself
};

// Ends a session and waits until each verifier knows.
absl::Status MeasureOne(SessionClient& client, const Password& account,
                        const std::vector<std::unique_ptr<Verifier>>& verifiers, bool wait, Lags& lags) {
  v1::LoginRequest request;
  request.set_username(account.username);
  request.set_password(std::string(account.password.Reveal()));
  const auto login = client.Login(request);
  if (!login.ok()) return login.status();
  const auto credential = VerifiedCredential::AssumeVerified({.session_id = login->session_id()}, "");
  const absl::Time asked = absl::Now();
  const auto ended = client.Logout(login->credential(), {.wait_for_verifiers = wait});
  if (!ended.ok()) return ended.status();
  const absl::Time answered = absl::Now();
  lags.call.push_back(absl::ToDoubleMilliseconds(answered - asked));
  for (const auto& verifier : verifiers) {
    while (!verifier->trust.revocations().IsRevoked(credential)) {
      if (absl::Now() - answered > kPatience) return absl::DeadlineExceededError("a verifier was never told");
      std::this_thread::yield();
    }
    lags.each.push_back(absl::ToDoubleMilliseconds(absl::Now() - answered));
  }
  lags.all.push_back(lags.each.back());  // they are looked at in turns: the last one is seen last
  return absl::OkStatus();
}

void ReportLags(const std::string& name, const std::vector<double>& milliseconds) {
  for (const auto& [quantile, called] : {std::pair(0.5, "p50"), {0.99, "p99"}, {1.0, "max"}}) {
    Report(absl::StrCat(name, ", ", called), Quantile(milliseconds, quantile), "ms");
  }
}

int Run(const Settings& settings) {
  auto source = MakeServiceAccountTokenSource(NewChannel(settings.address), settings.account);
  if (!source.ok()) return Fail(source.status());
  const std::shared_ptr<TokenSource> self = *std::move(source);
  const auto account = ReadServiceAccountFile(settings.account);
  if (!account.ok()) return Fail(account.status());
  std::vector<std::unique_ptr<Verifier>> verifiers;
  for (int i = 0; i < settings.verifiers; ++i) verifiers.push_back(std::make_unique<Verifier>(settings, i, self));
  for (const auto& verifier : verifiers) {
    if (!verifier->feed.WaitUntilReady(kPatience)) return Fail(absl::UnavailableError("a verifier is not ready"));
  }
  SessionClient client(NewChannel(settings.address), absl::Seconds(10));
  Lags lags;
  for (int i = 0; i < settings.logouts; ++i) {
    if (const auto status = MeasureOne(client, *account, verifiers, settings.wait, lags); !status.ok())
      return Fail(status);
  }
  ReportLags(absl::StrCat(settings.name, ", refused by each"), lags.each);
  ReportLags(absl::StrCat(settings.name, ", refused by all"), lags.all);
  ReportLags(absl::StrCat(settings.name, ", the call itself"), lags.call);
  return 0;
}

}  // namespace
}  // namespace watchword

int main(int argc, char** argv) {
  watchword::Settings settings;
  CLI::App app("Measures how fast a logout reaches many verifiers.");
  app.add_option("--address", settings.address, "The auth service's, where to log out")->required();
  app.add_option("--verifiers-at", settings.verifiers_at, "Where verifiers watch, in turns; default: there as well");
  app.add_option("--name", settings.name, "What the figures are called")->capture_default_str();
  app.add_flag("--wait", settings.wait, "Log out with wait_for_verifiers");
  app.add_option("--service-account", settings.account, "The file of an account that may watch")->required();
  app.add_option("--verifiers", settings.verifiers, "How many")->capture_default_str();
  app.add_option("--logouts", settings.logouts, "How often")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (settings.verifiers_at.empty()) settings.verifiers_at = {settings.address};
  return watchword::Run(settings);
}
