// What a flood of logins does: how many are answered, how fast the others are refused, and what Validate feels of it.
// Needs a running auth service, and the password of a user of it on standard input.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "measure.h"
#include "watchword/base/mutex.h"
#include "watchword/v1/auth.grpc.pb.h"

namespace watchword {
namespace {

struct Settings {
  std::string address;
  std::string username;
  std::string password;
  double times_capacity = 10;
  int rounds = 9;
  int seconds = 4;
  int deadline_ms = 3000;
};

std::chrono::system_clock::time_point In(int milliseconds) {
  return std::chrono::system_clock::now() + std::chrono::milliseconds(milliseconds);
}

// Too many calls of one connection were open. gRPC sends a refusal of the gate without details, and so without a delay.
bool IsFromTheGate(const grpc::Status& status) { return status.error_message().rfind("RATE_LIMITED", 0) == 0; }

// What became of the logins. Thread-safe.
class Outcomes {
 public:
  void Add(const grpc::Status& status, const grpc::ClientContext& context, double milliseconds) {
    MutexLock lock(mutex_);
    if (status.ok()) {
      ++done;
    } else if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED && IsFromTheGate(status)) {
      ++at_the_gate;
    } else if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
      refused_ms.push_back(milliseconds);
      const auto& trailing = context.GetServerTrailingMetadata();
      const auto pushback = trailing.find("grpc-retry-pushback-ms");
      int64_t delay = 0;
      const bool told = pushback != trailing.end() &&
                        absl::SimpleAtoi(std::string(pushback->second.data(), pushback->second.size()), &delay);
      if (!told || delay <= 0 || delay > 60'000 ||
          status.error_details().find("google.rpc.RetryInfo") == std::string::npos) {
        ++untold;
      }
    } else if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
      ++late;
    } else {
      if (other == 0) std::fprintf(stderr, "login_flood_bench: %s\n", status.error_message().c_str());
      ++other;
    }
  }

  Mutex mutex_;
  int done = 0, late = 0, other = 0, untold = 0;
  int at_the_gate = 0;
  std::vector<double> refused_ms;
};

// One login on its way; deletes itself.
struct Flight {
  grpc::ClientContext context;
  v1::LoginRequest request;
  v1::LoginResponse response;
};

// One for all floods, and never destroyed: the callback of a channel's last call may not have returned yet when it is
// known that the call is over, and gRPC 1.51 sometimes aborts when the channel goes then (ref_counted.h, prior > 0).
std::shared_ptr<grpc::Channel> FloodChannel(const std::string& address) {
  static const auto& channel =
      *new std::shared_ptr<grpc::Channel>(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  return channel;
}

class Flood {
 public:
  explicit Flood(const Settings& settings)
      : settings_(settings), stub_(v1::AuthService::NewStub(FloodChannel(settings.address))) {}

  void Launch(Outcomes& outcomes) {
    auto flight = std::make_shared<Flight>();
    flight->request.set_username(settings_.username);
    flight->request.set_password(settings_.password);
    flight->context.set_deadline(In(settings_.deadline_ms));
    ++in_flight_;
    const absl::Time began = absl::Now();
    stub_->async()->Login(&flight->context, &flight->request, &flight->response,
                          [this, flight, began, &outcomes](const grpc::Status& status) {
                            outcomes.Add(status, flight->context, absl::ToDoubleMilliseconds(absl::Now() - began));
                            --in_flight_;
                          });
  }

  int in_flight() const { return in_flight_; }
  void WaitForAll() const {
    while (in_flight_ > 0) absl::SleepFor(absl::Milliseconds(1));
  }

 private:
  const Settings& settings_;
  const std::unique_ptr<v1::AuthService::Stub> stub_;
  std::atomic<int> in_flight_{0};
};

// Logins per second with as many at a time as keep the server busy.
double Capacity(const Settings& settings) {
  Outcomes outcomes;
  Flood flood(settings);
  const int at_once = 2 * static_cast<int>(std::thread::hardware_concurrency());
  const absl::Time began = absl::Now();
  const absl::Time end = began + absl::Seconds(settings.seconds);
  while (absl::Now() < end) {
    while (flood.in_flight() < at_once) flood.Launch(outcomes);
    absl::SleepFor(absl::Microseconds(200));
  }
  flood.WaitForAll();
  return outcomes.done / absl::ToDoubleSeconds(absl::Now() - began);
}

// Validates one credential after the other until told to stop; the milliseconds that each took, none if one failed.
std::vector<double> Validate(const Settings& settings, const std::string& credential, const std::atomic<bool>& stop) {
  const auto stub =
      v1::AuthService::NewStub(grpc::CreateCustomChannel(settings.address, grpc::InsecureChannelCredentials(), [] {
        grpc::ChannelArguments arguments;
        arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
        return arguments;
      }()));
  std::vector<double> milliseconds;
  while (!stop) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer " + credential);
    context.set_deadline(In(10'000));
    v1::ValidateResponse response;
    const absl::Time began = absl::Now();
    if (const grpc::Status status = stub->Validate(&context, {}, &response); !status.ok()) {
      std::fprintf(stderr, "login_flood_bench: Validate: %s\n", status.error_message().c_str());
      return {};
    }
    milliseconds.push_back(absl::ToDoubleMilliseconds(absl::Now() - began));
    absl::SleepFor(absl::Milliseconds(1));
  }
  return milliseconds;
}

std::string Credential(const Settings& settings) {
  const auto stub = v1::AuthService::NewStub(grpc::CreateChannel(settings.address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::LoginRequest request;
  request.set_username(settings.username);
  request.set_password(settings.password);
  v1::LoginResponse response;
  return stub->Login(&context, request, &response).ok() ? response.credential() : "";
}

// What Validate takes while something else is done; added to `milliseconds`. Whether every call succeeded.
bool ValidateWhile(const Settings& settings, const std::string& credential, std::vector<double>& milliseconds,
                   absl::FunctionRef<void()> work) {
  std::atomic<bool> stop{false};
  std::vector<double> taken;
  std::thread validating([&] { taken = Validate(settings, credential, stop); });
  work();
  stop = true;
  validating.join();
  milliseconds.insert(milliseconds.end(), taken.begin(), taken.end());
  return !taken.empty();
}

// Logins per second that succeed when they come at a rate.
double Goodput(const Settings& settings, double rate, Outcomes& outcomes) {
  Flood flood(settings);
  const int done_before = outcomes.done;
  int sent = 0;
  const absl::Duration lasts = absl::Seconds(settings.seconds);
  const absl::Time began = absl::Now();
  for (absl::Duration past; past < lasts; past = absl::Now() - began) {
    for (; sent < absl::ToDoubleSeconds(past) * rate; ++sent) flood.Launch(outcomes);
    absl::SleepFor(absl::Microseconds(500));
  }
  flood.WaitForAll();
  return (outcomes.done - done_before) / absl::ToDoubleSeconds(absl::Now() - began);
}

// Without a flood and with one, in turns; Validate is called all the while.
int Run(const Settings& settings) {
  const std::string credential = Credential(settings);
  if (credential.empty()) {
    std::fprintf(stderr, "login_flood_bench: cannot log in\n");
    return 1;
  }
  std::vector<double> idle_ms, busy_ms, flooded_ms, capacities, goodputs, ratios;
  Outcomes outcomes;
  bool validated = true;
  const auto measure_capacity = [&] {
    validated &= ValidateWhile(settings, credential, busy_ms, [&] { capacities.push_back(Capacity(settings)); });
  };
  const auto measure_goodput = [&] {
    const double rate = Quantile(capacities, 0.5) * settings.times_capacity;
    validated &=
        ValidateWhile(settings, credential, flooded_ms, [&] { goodputs.push_back(Goodput(settings, rate, outcomes)); });
  };
  for (int round = 0; round < settings.rounds; ++round) {
    validated &= ValidateWhile(settings, credential, idle_ms, [&] { absl::SleepFor(absl::Seconds(settings.seconds)); });
    if (round % 2 == 0) measure_capacity();
    measure_goodput();
    if (round % 2 == 1) measure_capacity();
    ratios.push_back(goodputs.back() / capacities.back());
  }
  Report("login_flood: logins sent", Quantile(capacities, 0.5) * settings.times_capacity, "1/s");
  Print({{"name", "login_flood: logins done"},
         {"value", Quantile(goodputs, 0.5)},
         {"unit", "1/s"},
         {"reference", Quantile(capacities, 0.5)},
         {"ratio", Quantile(ratios, 0.5)},
         {"spread", {Quantile(ratios, 0), Quantile(ratios, 1)}}});
  Report("login_flood: refused by the server", static_cast<double>(outcomes.refused_ms.size()), "");
  Report("login_flood: refused by the gate", outcomes.at_the_gate, "");
  Report("login_flood: refused without a delay", outcomes.untold, "");
  Report("login_flood: beyond the deadline", outcomes.late, "");
  Report("login_flood: time of a refusal, p99", Quantile(outcomes.refused_ms, 0.99), "ms");
  const double idle = Quantile(idle_ms, 0.99), flooded = Quantile(flooded_ms, 0.99);
  Print({{"name", "login_flood: Validate, p99"},
         {"value", flooded},
         {"unit", "ms"},
         {"reference", idle},
         {"ratio", flooded / idle}});
  Report("login_flood: Validate, p99 when all processors hash and nobody floods", Quantile(busy_ms, 0.99), "ms");
  const bool as_promised = validated && outcomes.other == 0 && outcomes.untold == 0;
  return as_promised && outcomes.done > 0 && !outcomes.refused_ms.empty() ? 0 : 1;
}

}  // namespace
}  // namespace watchword

int main(int argc, char** argv) {
  watchword::Settings settings;
  CLI::App app("Logs a user in far more often than the server can hash. The password is read from standard input.");
  app.add_option("--address", settings.address, "The auth service's")->required();
  app.add_option("--username", settings.username, "Who")->required();
  app.add_option("--times", settings.times_capacity, "How many times more often")->capture_default_str();
  app.add_option("--rounds", settings.rounds, "How many times")->capture_default_str();
  app.add_option("--seconds", settings.seconds, "For how long each time, without a flood and with one")
      ->capture_default_str();
  app.add_option("--deadline-ms", settings.deadline_ms, "Of each login")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::getline(std::cin, settings.password);
  return watchword::Run(settings);
}
