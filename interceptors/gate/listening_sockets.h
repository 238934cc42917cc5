#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace watchword {

// The sockets that listen on a port: one for each address that its host name has.
//
// Thread-compatible.
class ListeningSockets {
 public:
  ListeningSockets() = default;
  // Closes, if Close was not called.
  ~ListeningSockets();
  ListeningSockets(const ListeningSockets&) = delete;
  ListeningSockets& operator=(const ListeningSockets&) = delete;

  // Opens them and returns the port; 1 for a Unix socket. Once.
  //
  // `address`: "127.0.0.1:7070", "[::1]:7070", "localhost:0", or "unix:/path". "[::]" takes IPv4 as well, and only that
  // where there is no IPv6. The file of a Unix socket on which nobody listens is replaced. INVALID_ARGUMENT if it is no
  // address, UNAVAILABLE if it is in use or not of this machine.
  absl::StatusOr<int> Open(const std::string& address);

  // Takes no more connections, and removes the Unix socket's file.
  void Close();

  const std::vector<int>& descriptors() const { return descriptors_; }

 private:
  absl::StatusOr<int> OpenUnix(const std::string& path);
  absl::StatusOr<int> OpenTcp(const std::string& host, const std::string& port);

  std::vector<int> descriptors_;
  std::string unix_path_;
  ino_t unix_file_ = 0;  // its inode
};

}  // namespace watchword
