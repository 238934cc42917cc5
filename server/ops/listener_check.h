#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "watchword/base/log.h"
#include "watchword/base/mutex.h"

namespace watchword {

// Whether the ports on which gRPC listens still accept connections. When gRPC 1.51 meets the limit of open files it
// stops to accept for good, which nothing mends but a restart, and neither the calls that go on nor the operations port
// show it.
//
// A thread connects to each port every `every`, sends what is no HTTP/2 and no TLS, and waits until it is answered or
// thrown out: only a connection that was accepted is.
//
// Thread-safe.
class ListenerCheck {
 public:
  struct Options {
    absl::Duration every = absl::Seconds(5);
    // How long a connection may wait; a second one as well, before the port is said to accept none. Together longer
    // than a flood keeps gRPC from accepting, since what fails here is restarted.
    absl::Duration patience = absl::Seconds(15);
  };

  // Starts. `addresses`: HOST:PORT, or unix:PATH. `log` must outlive this.
  ListenerCheck(std::vector<std::string> addresses, Options options, Logger& log);
  // Stops, if Stop was not called.
  ~ListenerCheck();
  ListenerCheck(const ListenerCheck&) = delete;
  ListenerCheck& operator=(const ListenerCheck&) = delete;

  // OK, or UNAVAILABLE with the address that did not accept the last connection. OK also while it is not known, because
  // this process has no file left to connect with.
  absl::Status liveness() const;

  // For a server that is about to close its ports: liveness is OK from now on.
  void Stop();

 private:
  void Run();
  absl::Status CheckAll();
  absl::Status Check(const std::string& address);
  // Whether the connection was made, sooner or later.
  bool Connect(int socket, const sockaddr* address, socklen_t size);
  // What poll(2) sees of a socket (0: nothing until the deadline), or nullopt if this is to end.
  std::optional<short> WaitFor(int socket, short events, absl::Duration at_most);

  const std::vector<std::string> addresses_;
  const Options options_;
  Logger& log_;
  const int end_;  // eventfd(2)
  mutable Mutex mutex_;
  absl::Status liveness_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace watchword
