// Clients of an auth service, through the client library: each logs in, refreshes, has its credential validated and
// logs out, again and again, until standard input ends. For each line of it, says "CALLS FAILED": how many calls there
// were, and how many of them failed. A refusal counts as a failure: nothing here gives a reason for one.
#include <CLI/CLI.hpp>
#include <atomic>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "watchword/client/channel.h"
#include "watchword/client/session_client.h"

namespace watchword {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(20);
constexpr int kMostErrorsShown = 20;

struct Settings {
  ChannelOptions channel;
  std::string username, password;
  int clients = 4;
  int validations = 47;  // in each session
};

class Load {
 public:
  Load(const std::shared_ptr<grpc::Channel>& channel, Settings settings)
      : settings_(std::move(settings)), client_(channel, kTimeout) {
    for (int i = 0; i < settings_.clients; ++i) {
      threads_.emplace_back([this] {
        while (!stopping_) OneSession();
      });
    }
  }

  void Stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

  void Report() const { std::cout << calls_ << " " << failed_ << std::endl; }

 private:
  void OneSession() {
    v1::LoginRequest request;
    request.set_username(settings_.username);
    request.set_password(settings_.password);
    const auto login = client_.Login(request);
    if (!Count("Login", login.status())) return;
    std::string credential = login->credential();
    const auto refreshed = client_.Refresh(login->refresh_token());
    if (Count("Refresh", refreshed.status())) credential = refreshed->credential();
    for (int i = 0; i < settings_.validations; ++i) {
      const auto validation = client_.Validate(credential);
      Count("Validate", validation.ok() && !validation->active() ? absl::UnauthenticatedError(validation->reason())
                                                                 : validation.status());
    }
    Count("Logout", client_.Logout(credential, {}).status());
  }

  bool Count(const char* method, const absl::Status& status) {
    ++calls_;
    if (status.ok()) return true;
    if (++failed_ <= kMostErrorsShown) {
      const std::scoped_lock lock(shown_);
      std::cerr << "session_load: " << method << ": " << status << std::endl;
    }
    return false;
  }

  const Settings settings_;
  SessionClient client_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> calls_{0}, failed_{0};
  std::mutex shown_;
  std::vector<std::thread> threads_;
};

int Run(const Settings& settings) {
  const auto channel = MakeChannel(settings.channel);
  if (!channel.ok()) {
    std::cerr << "session_load: " << channel.status().message() << "\n";
    return 1;
  }
  Load load(*channel, settings);
  for (std::string line; std::getline(std::cin, line);) load.Report();
  load.Stop();
  load.Report();
  return 0;
}

}  // namespace
}  // namespace watchword

int main(int argc, char** argv) {
  watchword::Settings settings;
  CLI::App app("Acts as many clients.");
  app.add_option("--address", settings.channel.address, "The auth service's")->required();
  app.add_option("--tls-ca", settings.channel.ca_file, "Who signs its certificate");
  app.add_option("--tls-cert", settings.channel.certificate_file, "Our own");
  app.add_option("--tls-key", settings.channel.key_file, "Its key");
  app.add_option("--user", settings.username, "Who logs in")->required();
  app.add_option("--password", settings.password, "The password")->envname("PASSWORD")->required();
  app.add_option("--clients", settings.clients, "How many at once");
  app.add_option("--validations", settings.validations, "How often each session's credential is validated");
  CLI11_PARSE(app, argc, argv);
  return watchword::Run(settings);
}
