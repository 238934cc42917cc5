#pragma once

#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <functional>
#include <string>
#include <vector>

#include "measure.h"
#include "probe.grpc.pb.h"
#include "testing/test_signer.h"
#include "watchword/base/random.h"
#include "watchword/base/uuid.h"

// A service that does nothing but answer: what is measured is what comes before its handler.
namespace watchword {

// Called with a call's bearer credential; calls back, from any thread, with whether it is good.
using BearerCheck = std::function<void(const std::string& bearer, std::function<void(bool good)> done)>;

// The credential as most services find it: the text behind "Bearer ".
inline std::string BearerOf(const grpc::ServerContextBase& context) {
  const auto found = context.client_metadata().find("authorization");
  if (found == context.client_metadata().end() || !found->second.starts_with("Bearer ")) return "";
  return std::string(found->second.data() + 7, found->second.size() - 7);
}

class CallbackBenchService final : public probe::v1::ProbeService::CallbackService {
 public:
  // Null: no check in the handler.
  explicit CallbackBenchService(BearerCheck check = nullptr) : check_(std::move(check)) {}

  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context, const probe::v1::Probe*,
                                  probe::v1::Probe*) override {
    auto* const reactor = context->DefaultReactor();
    if (check_ == nullptr) {
      reactor->Finish(grpc::Status::OK);
      return reactor;
    }
    check_(BearerOf(*context), [reactor](bool good) {
      reactor->Finish(good ? grpc::Status::OK : grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "bad credential"));
    });
    return reactor;
  }

 private:
  const BearerCheck check_;
};

class SyncBenchService final : public probe::v1::ProbeService::Service {
  grpc::Status Unary(grpc::ServerContext*, const probe::v1::Probe*, probe::v1::Probe*) override {
    return grpc::Status::OK;
  }
};

// Tokens of 1,000 sessions that the service lets in.
inline std::vector<std::string> MintTokens(const TestSigner& signer) {
  std::vector<std::string> tokens;
  for (int i = 0; i < 1000; ++i) {
    Claims claims = GoodClaims(absl::Now());
    claims.scopes = {"probe.call"};
    claims.expires_at = claims.issued_at + absl::Hours(1);
    claims.session_id = Uuid::NewV7(absl::Now(), SystemRandom()).value().ToString();
    tokens.push_back(MintToken(signer, claims));
  }
  return tokens;
}

// So that WaitToBeEnded gets the signals, and no other thread: first thing in main.
inline void KeepSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
}

inline void WaitToBeEnded() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  int signal = 0;
  sigwait(&signals, &signal);
}

}  // namespace watchword
