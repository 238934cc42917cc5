// Many verifiers of one auth service, each with a connection of its own. Does what it is told on standard input, a line
// each, and says "done" when that is so:
//   ready        waits until all know whom to trust
//   wait SEQ     waits until all have applied the revocation log up to SEQ
//   revoke N     ends all sessions of the user in --revoke, N times, with the credential in $BEARER
#include <grpcpp/create_channel.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "watchword/base/clock.h"
#include "watchword/base/log.h"
#include "watchword/client/token_source.h"
#include "watchword/trust/feed_client.h"
#include "watchword/trust/trust_state.h"
#include "watchword/v1/admin.grpc.pb.h"

namespace watchword {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(90);

struct Settings {
  std::string address;
  std::string account;
  std::string user;
  int verifiers = 0;
};

// Hundreds of verifiers that lose their server all say so.
class SilentLogger final : public Logger {
  void Write(Severity, absl::string_view, absl::Span<const LogField>) override {}
};

// A connection of its own, as another process would have.
std::shared_ptr<grpc::Channel> NewChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);  // as ConnectToAuthService
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

struct Verifier {
  Verifier(const Settings& settings, int number, const std::shared_ptr<TokenSource>& self, Logger& log)
      : feed(NewChannel(settings.address),
             {.verifier = absl::StrCat("crowd-", number), .token_source = self, .allow_plaintext_tokens = true}, trust,
             log) {}

  TrustState trust{SystemClock()};
  FeedClient feed;
};

class Crowd {
 public:
  Crowd(const Settings& settings, const std::shared_ptr<TokenSource>& self)
      : settings_(settings), stub_(v1::AdminService::NewStub(NewChannel(settings.address))) {
    for (int i = 0; i < settings.verifiers; ++i) {
      verifiers_.push_back(std::make_unique<Verifier>(settings, i, self, log_));
    }
  }

  bool Do(const std::string& what, uint64_t number) {
    if (what == "ready") return WaitUntilReady();
    return what == "wait" ? WaitFor(number) : what == "revoke" && Revoke(number);
  }

 private:
  bool WaitUntilReady() {
    for (const auto& verifier : verifiers_) {
      if (!verifier->feed.WaitUntilReady(kPatience)) return false;
    }
    return true;
  }

  bool WaitFor(uint64_t seq) {
    const absl::Duration until = SystemClock().SinceBoot() + kPatience;
    for (const auto& verifier : verifiers_) {
      while (verifier->trust.applied_seq() < seq) {
        if (SystemClock().SinceBoot() > until) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
    return true;
  }

  bool Revoke(uint64_t times) {
    v1::RevokeSessionsRequest request;
    request.set_username(settings_.user);
    for (uint64_t i = 0; i < times; ++i) {
      grpc::ClientContext context;
      context.set_wait_for_ready(true);
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
      context.AddMetadata("authorization", absl::StrCat("Bearer ", std::getenv("BEARER")));
      v1::RevokeSessionsResponse response;
      const grpc::Status status = stub_->RevokeSessions(&context, request, &response);
      if (!status.ok()) {
        std::cerr << "feed_crowd: " << status.error_message() << "\n";
        return false;
      }
    }
    return true;
  }

  const Settings settings_;
  SilentLogger log_;
  const std::unique_ptr<v1::AdminService::Stub> stub_;
  std::vector<std::unique_ptr<Verifier>> verifiers_;
};

int Run(const Settings& settings) {
  auto source = MakeServiceAccountTokenSource(NewChannel(settings.address), settings.account);
  if (!source.ok()) {
    std::cerr << "feed_crowd: " << source.status().message() << "\n";
    return 1;
  }
  Crowd crowd(settings, *std::move(source));
  std::string what;
  while (std::cin >> what) {
    uint64_t number = 0;
    if (what != "ready") std::cin >> number;
    if (!crowd.Do(what, number)) {
      std::cerr << "feed_crowd: " << what << " did not come about\n";
      return 1;
    }
    std::cout << "done" << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace watchword

int main(int argc, char** argv) {
  watchword::Settings settings;
  CLI::App app("Acts as many verifiers.");
  app.add_option("--address", settings.address, "The auth service's")->required();
  app.add_option("--service-account", settings.account, "The file of an account that may watch")->required();
  app.add_option("--verifiers", settings.verifiers, "How many")->required();
  app.add_option("--revoke", settings.user, "Whose sessions to end");
  CLI11_PARSE(app, argc, argv);
  return watchword::Run(settings);
}
