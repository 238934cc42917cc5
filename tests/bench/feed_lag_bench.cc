// How long it takes from the answer of a Logout until each of many verifiers refuses the session's credentials. Needs a
// running auth service, and the file of a service account with the scope watchword.verifier.
#include <grpcpp/create_channel.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
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
  std::string address;
  std::string account;
  int verifiers = 100;
  int logouts = 200;
};

// A connection of its own, as another process would have.
std::shared_ptr<grpc::Channel> NewChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

struct Verifier {
  Verifier(const Settings& settings, int number, const std::shared_ptr<TokenSource>& self)
      : feed(NewChannel(settings.address),
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
};

// Ends a session and waits until each verifier knows.
absl::Status MeasureOne(SessionClient& client, const Password& account,
                        const std::vector<std::unique_ptr<Verifier>>& verifiers, Lags& lags) {
  v1::LoginRequest request;
  request.set_username(account.username);
  request.set_password(std::string(account.password.Reveal()));
  const auto login = client.Login(request);
  if (!login.ok()) return login.status();
  const auto credential = VerifiedCredential::AssumeVerified({.session_id = login->session_id()}, "");
  if (const auto ended = client.Logout(login->credential(), {}); !ended.ok()) return ended.status();
  const absl::Time answered = absl::Now();
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

void Print(const char* what, std::vector<double> milliseconds) {
  std::sort(milliseconds.begin(), milliseconds.end());
  const auto quantile = [&milliseconds](double q) {
    return milliseconds[static_cast<size_t>(q * static_cast<double>(milliseconds.size() - 1))];
  };
  std::printf("%s: p50 %.1f ms, p99 %.1f ms, max %.1f ms   goal p99 100\n", what, quantile(0.5), quantile(0.99),
              milliseconds.back());
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
    if (const auto status = MeasureOne(client, *account, verifiers, lags); !status.ok()) return Fail(status);
  }
  std::printf("%d logouts, %d verifiers\n", settings.logouts, settings.verifiers);
  Print("logout seen by each", std::move(lags.each));
  Print("logout seen by all", std::move(lags.all));
  return 0;
}

}  // namespace
}  // namespace watchword

int main(int argc, char** argv) {
  watchword::Settings settings;
  CLI::App app("Measures how fast a logout reaches many verifiers.");
  app.add_option("--address", settings.address, "The auth service's")->required();
  app.add_option("--service-account", settings.account, "The file of an account that may watch")->required();
  app.add_option("--verifiers", settings.verifiers, "How many")->capture_default_str();
  app.add_option("--logouts", settings.logouts, "How often")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return watchword::Run(settings);
}
