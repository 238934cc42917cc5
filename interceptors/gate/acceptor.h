#pragma once

#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "watchword/base/clock.h"
#include "watchword/base/log.h"
#include "watchword/gate/connections.h"
#include "watchword/gate/listening_sockets.h"

namespace grpc::experimental {
class ExternalConnectionAcceptor;
}  // namespace grpc::experimental

namespace watchword {

// Takes the connections of one port and gives to gRPC those for which there is room.
//
// gRPC's own listener takes whatever comes, and for good stops to when the process has no file left (1.51).
//
// Thread-compatible.
class Acceptor {
 public:
  // Borrows `clock` and `log`, which must outlive this.
  Acceptor(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server,
           std::shared_ptr<Connections> connections, const Clock& clock, Logger& log);
  // Closes the sockets. gRPC keeps the connections that it was given.
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Listens, as ListeningSockets::Open. Those who connect wait until Start.
  absl::StatusOr<int> Open(const std::string& address);

  // Begins to take connections, on a thread of its own. After Open, and once the server is started: what comes before
  // that or after its Shutdown is turned away.
  void Start();

 private:
  void Run();
  void AcceptFrom(int listener);
  void Take(int socket, int listener);
  bool HandOver(int socket, int listener);
  void Rest(const char* error);
  void LogRefusal(const std::string& source, Connections::Answer answer);
  void LogBroken(const Connections::Broken& broken);
  bool MayLog();

  const std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server_;
  const std::shared_ptr<Connections> connections_;
  const Clock& clock_;
  Logger& log_;
  ListeningSockets sockets_;
  int epoll_ = -1;  // epoll(7)
  int end_ = -1;    // eventfd(2)
  absl::Duration logged_at_ = -absl::InfiniteDuration();
  std::thread thread_;
};

}  // namespace watchword
