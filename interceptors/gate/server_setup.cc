#include "watchword/gate/server_setup.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "grpcpp/impl/server_builder_plugin.h"
#include "grpcpp/impl/server_initializer.h"
#include "grpcpp/server_builder.h"
#include "watchword/gate/verifier_service.h"

namespace watchword {
namespace {

// What is wrong with the rules of a server that has these methods.
absl::Status CheckRules(const ServerSetup& setup, const std::vector<std::string>& methods) {
  std::vector<std::string> missing;
  for (const std::string& path : methods) {
    const MethodRule& rule = setup.admission->rules().Find(path);
    if (setup.strict && rule.origin == RuleOrigin::kNone) missing.push_back(path);
    if (rule.audience.empty() ||
        std::find(setup.audiences.begin(), setup.audiences.end(), rule.audience) != setup.audiences.end()) {
      continue;
    }
    return absl::FailedPreconditionError(absl::StrCat("the rule of ", path, " asks for the audience \"", rule.audience,
                                                      "\", which is none of the gate's: nobody could call it"));
  }
  if (missing.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("these methods have no rule, and the gate is strict: ", absl::StrJoin(missing, ", ")));
}

// gRPC keeps the factories of a server's interceptors until it is destroyed: this one makes none, but keeps the
// acceptors as long.
class AcceptorKeeper final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit AcceptorKeeper(std::vector<std::shared_ptr<Acceptor>> acceptors) : acceptors_(std::move(acceptors)) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo*) override {
    return nullptr;
  }

 private:
  const std::vector<std::shared_ptr<Acceptor>> acceptors_;
};

// One for each server that is built, whatever the number of its ports.
class GatePlugin final : public grpc::ServerBuilderPlugin {
 public:
  // That of the builder, which is made if there is none.
  static GatePlugin& In(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>& plugins) {
    for (const auto& plugin : plugins) {
      if (auto* found = dynamic_cast<GatePlugin*>(plugin.get())) return *found;
    }
    plugins.push_back(std::make_unique<GatePlugin>());
    return static_cast<GatePlugin&>(*plugins.back());
  }

  void Add(GuardedPort port) {
    setups_.push_back(std::move(port.setup));
    acceptors_.push_back(std::move(port.acceptor));
  }
  void Add(InterceptorCreators creators) { std::move(creators.begin(), creators.end(), std::back_inserter(creators_)); }

  std::string name() override { return "watchword"; }

  void UpdateServerBuilder(grpc::ServerBuilder* builder) override {
    InterceptorCreators creators;
    if (!setups_.empty()) {
      creators.push_back(MakeStreamInterceptors(setups_.front()->streams));
      to_start_.assign(acceptors_.begin(), acceptors_.end());
      creators.push_back(std::make_unique<AcceptorKeeper>(std::move(acceptors_)));
      acceptors_.clear();
    }
    std::move(creators_.begin(), creators_.end(), std::back_inserter(creators));
    creators_.clear();
    builder->experimental().SetInterceptorCreators(std::move(creators));
  }

  // Before the ports are opened: those of a setup that is not complete are not.
  void InitServer(grpc::ServerInitializer* initializer) override {
    if (setups_.empty()) return;
    const ServerSetup& first = *setups_.front();
    Logger& log = first.admission->log();
    for (const auto& setup : setups_) {
      if (setup->streams == first.streams) continue;
      return log.Error("the server is not started: its ports belong to different gates", {});
    }
    const std::vector<std::string> methods = first.admission->rules().MethodsOf(*initializer->GetServiceList());
    if (const auto status = CheckRules(first, methods); !status.ok()) {
      return log.Error("the server is not started", {{"error", std::string(status.message())}});
    }
    if (!initializer->RegisterService(MakeVerifierService(first.admission, first.streams, methods))) {
      return log.Error("the server is not started: it has a VerifierService of its own", {});
    }
    for (const auto& setup : setups_) setup->complete = true;
  }

  void Finish(grpc::ServerInitializer*) override {
    for (const auto& each : to_start_) {
      if (const auto acceptor = each.lock(); acceptor != nullptr) acceptor->Start();
    }
  }
  void ChangeArguments(const std::string&, void*) override {}

 private:
  std::vector<std::shared_ptr<ServerSetup>> setups_;
  std::vector<std::shared_ptr<Acceptor>> acceptors_;  // until the server has them
  std::vector<std::weak_ptr<Acceptor>> to_start_;
  InterceptorCreators creators_;
};

// Gives something to the builder's plugin.
template <typename T>
class GateOption final : public grpc::ServerBuilderOption {
 public:
  explicit GateOption(T what) : what_(std::move(what)) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    GatePlugin::In(*plugins).Add(std::move(what_));
  }

 private:
  T what_;
};

}  // namespace

std::unique_ptr<grpc::ServerBuilderOption> MakeServerOption(GuardedPort port) {
  return std::make_unique<GateOption<GuardedPort>>(std::move(port));
}

std::unique_ptr<grpc::ServerBuilderOption> MakeInterceptorOption(InterceptorCreators creators) {
  return std::make_unique<GateOption<InterceptorCreators>>(std::move(creators));
}

}  // namespace watchword
