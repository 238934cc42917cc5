// Whether the time that Login takes tells which accounts exist. Needs a running auth service, which nobody else uses.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "measure.h"
#include "watchword/v1/auth.grpc.pb.h"

namespace watchword {
namespace {

// So few failures of one account that it is not blocked: each group of attempts takes another one.
constexpr int kFailuresOfOne = 40;

struct Settings {
  std::string address;
  std::vector<std::string> names;
  int pairs = 20'000;
};

// What a caller can see of a refusal.
struct Answer {
  std::string text;
  double microseconds = 0;
};

Answer LogIn(v1::AuthService::Stub& stub, const std::string& name) {
  v1::LoginRequest request;
  request.set_username(name);
  request.set_password("a password that is not right");
  v1::LoginResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  const absl::Time began = absl::Now();
  const grpc::Status status = stub.Login(&context, request, &response);
  const double took = absl::ToDoubleMicroseconds(absl::Now() - began);
  std::string text = absl::StrCat(status.error_code(), " ", status.error_message(), " ", status.error_details());
  for (const auto& [key, value] : context.GetServerTrailingMetadata()) {
    absl::StrAppend(&text, " ", std::string(key.data(), key.size()), "=", std::string(value.data(), value.size()));
  }
  return {std::move(text), took};
}

// The probability that one of `a` is greater than one of `b` (Mann and Whitney): 0.5 if they tell nothing.
double Auc(const std::vector<double>& a, std::vector<double> b) {
  std::sort(b.begin(), b.end());
  double wins = 0;
  for (const double each : a) {
    const auto [low, high] = std::equal_range(b.begin(), b.end(), each);
    wins += static_cast<double>(low - b.begin()) + 0.5 * static_cast<double>(high - low);
  }
  return wins / (static_cast<double>(a.size()) * static_cast<double>(b.size()));
}

// Compares `name` with names that nobody has. Whether the answers are the same.
bool CompareWithNobody(v1::AuthService::Stub& stub, const Settings& settings, const std::string& name) {
  std::vector<double> known, unknown;
  bool same = true;
  for (int i = 0; i < settings.pairs; ++i) {
    const std::string nobody = absl::StrCat("nobody-", name, "-", i / kFailuresOfOne);
    const std::string somebody = absl::StrCat(name, "-", i / kFailuresOfOne);
    const bool known_first = i % 2 == 0;  // so that what the first of two calls suffers falls on both
    const Answer first = LogIn(stub, known_first ? somebody : nobody);
    const Answer second = LogIn(stub, known_first ? nobody : somebody);
    same = same && first.text == second.text;
    known.push_back((known_first ? first : second).microseconds);
    unknown.push_back((known_first ? second : first).microseconds);
  }
  Print({{"name", absl::StrCat("login_timing: ", name, ", AUC off 0.5")},
         {"value", std::abs(Auc(known, unknown) - 0.5)},
         {"unit", ""}});
  Print({{"name", absl::StrCat("login_timing: ", name, ", median")},
         {"value", SpreadOf(known).median},
         {"unit", "us"},
         {"reference", SpreadOf(unknown).median},
         {"ratio", SpreadOf(known).median / SpreadOf(unknown).median}});
  if (!same) std::fprintf(stderr, "login_timing_bench: %s is answered differently\n", name.c_str());
  return same;
}

int Run(const Settings& settings) {
  const auto stub = v1::AuthService::NewStub(grpc::CreateChannel(settings.address, grpc::InsecureChannelCredentials()));
  bool good = true;
  for (const std::string& name : settings.names) good = CompareWithNobody(*stub, settings, name) && good;
  return good ? 0 : 1;
}

}  // namespace
}  // namespace watchword

int main(int argc, char** argv) {
  watchword::Settings settings;
  CLI::App app("Compares how long Login takes for users, with a wrong password, and for users that do not exist.");
  app.add_option("--address", settings.address, "The auth service's")->required();
  app.add_option("--name", settings.names, "Users NAME-0, NAME-1 and so on, one for each 40 pairs; repeatable")
      ->required();
  app.add_option("--pairs", settings.pairs, "How many of each")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return watchword::Run(settings);
}
