// Sends a service many calls with credentials that are none, as fast as it answers, and says how each was answered.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <condition_variable>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "orders.grpc.pb.h"
#include "watchword/base/base64url.h"
#include "watchword/base/random.h"
#include "watchword/token/opaque_token.h"

namespace watchword {
namespace {

struct Settings {
  std::string address;
  std::string kind;
  int calls = 100'000;
  int connections = 4;
  int in_flight = 200;
};

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  if (!SystemRandom().Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes.data()), size)).ok()) std::abort();
  return bytes;
}

// A credential that was never given to anybody, another one for each call.
std::string MakeUp(const std::string& kind) {
  // Well formed: only the auth service can tell that it is none.
  if (kind == "session-token") return FormatOpaqueToken(kSessionTokenPrefix, RandomBytes(kSessionTokenContentSize));
  // Its checksum is wrong.
  if (kind == "malformed") return absl::StrCat(kSessionTokenPrefix, Base64UrlEncode(RandomBytes(36)));
  // An access token of a key that there is not.
  const std::string header =
      absl::StrCat(R"({"alg":"ES256","typ":"at+jwt","kid":")", Base64UrlEncode(RandomBytes(32)), R"("})");
  return absl::StrCat(Base64UrlEncode(header), ".", Base64UrlEncode(R"({"sub":"root"})"), ".",
                      Base64UrlEncode(RandomBytes(64)));
}

// Keeps a number of calls under way.
class Storm {
 public:
  explicit Storm(const Settings& settings) : settings_(settings) {
    for (int i = 0; i < settings.connections; ++i) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      stubs_.push_back(orders::v1::OrdersService::NewStub(
          grpc::CreateCustomChannel(settings.address, grpc::InsecureChannelCredentials(), arguments)));
    }
  }

  // How many calls were answered how.
  std::map<std::string, int> Run() {
    for (int i = 0; i < settings_.calls; ++i) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return under_way_ < settings_.in_flight; });
      ++under_way_;
      lock.unlock();
      Start(*stubs_[static_cast<size_t>(i) % stubs_.size()]);
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return under_way_ == 0; });
    return answers_;
  }

 private:
  struct Call {
    grpc::ClientContext context;
    orders::v1::ListOrdersRequest request;
    orders::v1::ListOrdersResponse response;
  };

  void Start(orders::v1::OrdersService::Stub& stub) {
    auto call = std::make_shared<Call>();
    call->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    call->context.AddMetadata("authorization", "Bearer " + MakeUp(settings_.kind));
    stub.async()->ListOrders(&call->context, &call->request, &call->response, [this, call](const grpc::Status& status) {
      const std::string& message = status.error_message();
      const std::lock_guard lock(mutex_);
      ++answers_[status.ok() ? "OK" : message.substr(0, message.find(':'))];
      --under_way_;
      changed_.notify_all();
    });
  }

  const Settings settings_;
  std::vector<std::unique_ptr<orders::v1::OrdersService::Stub>> stubs_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int under_way_ = 0;
  std::map<std::string, int> answers_;
};

}  // namespace
}  // namespace watchword

int main(int argc, char** argv) {
  watchword::Settings settings;
  CLI::App app("Sends a service credentials that are none.");
  app.add_option("--address", settings.address, "The service's")->required();
  app.add_option("--kind", settings.kind, "What to make up")
      ->required()
      ->check(CLI::IsMember({"session-token", "malformed", "access-token"}));
  app.add_option("--calls", settings.calls, "How many")->capture_default_str();
  app.add_option("--connections", settings.connections, "Over how many connections")->capture_default_str();
  app.add_option("--in-flight", settings.in_flight, "How many at a time")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const absl::Time begin = absl::Now();
  const auto answers = watchword::Storm(settings).Run();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  std::cout << nlohmann::json{{"seconds", seconds}, {"answers", answers}} << std::endl;
}
