#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "grpcpp/grpcpp.h"
#include "watchword/gate/gate.h"

namespace watchword {

// The ways to write a gRPC service in C++.
enum class Style { kSync, kCallback, kAsync, kGeneric };

// A ProbeService behind a gate, written in one of the ways. Counts how often a handler ran.
class ProbeServer {
 public:
  // Listens at `address`. Borrows `gate`.
  ProbeServer(Style style, Gate& gate, const std::string& address, PortSecurity security);
  ~ProbeServer();

  bool started() const { return server_ != nullptr; }
  int port() const { return port_; }
  int handler_runs() const { return handler_runs_; }
  // How many of them were of Open, which is anonymous; of callback services only.
  int open_runs() const { return open_runs_; }

  // What the handlers do: count, and say who calls.
  std::string Handle(const grpc::ServerContextBase& context);
  void CountOpen() { ++open_runs_; }

 private:
  const Gate& gate_;
  std::atomic<int> handler_runs_{0}, open_runs_{0};
  int port_ = 0;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::CallbackGenericService> generic_;
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::thread> threads_;
};

}  // namespace watchword
