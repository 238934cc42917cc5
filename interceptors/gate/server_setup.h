#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "grpcpp/impl/server_builder_option.h"
#include "grpcpp/support/server_interceptor.h"
#include "watchword/gate/acceptor.h"
#include "watchword/gate/admission.h"
#include "watchword/gate/stream_guard.h"

namespace watchword {

// What goes with a guarded port beside its credentials: the stream guard, the VerifierService, and a look at the rules
// of the services that the server has. One for each port; shared with the port's credentials.
struct ServerSetup {
  std::shared_ptr<Admission> admission;
  std::shared_ptr<StreamGuard> streams;
  std::vector<std::string> audiences;
  bool strict = false;
  std::atomic<bool> complete{false};  // all of it is in place: the port may be opened
};

// A guarded port of a server that is to be built.
struct GuardedPort {
  std::shared_ptr<ServerSetup> setup;
  std::shared_ptr<Acceptor> acceptor;  // the server's, once it is built
};

// Does what the port's setup says when the server is built, and starts its acceptor when the server is started.
std::unique_ptr<grpc::ServerBuilderOption> MakeServerOption(GuardedPort port);

using InterceptorCreators = std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>;

// Has the server call these interceptors, after the gate's own.
std::unique_ptr<grpc::ServerBuilderOption> MakeInterceptorOption(InterceptorCreators creators);

}  // namespace watchword
