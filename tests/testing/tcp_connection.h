#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace watchword {

// A TCP connection over loopback, both ends in this process.
class TcpConnection {
 public:
  explicit TcpConnection(int family) {
    const int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_storage address{};
    address.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET) reinterpret_cast<sockaddr_in&>(address).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (family == AF_INET6) reinterpret_cast<sockaddr_in6&>(address).sin6_addr = in6addr_loopback;
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener, generic, size), 0);
    EXPECT_EQ(listen(listener, 1), 0);
    EXPECT_EQ(getsockname(listener, generic, &size), 0);
    client_ = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(client_, generic, size), 0);
    server_ = accept(listener, nullptr, nullptr);
    size = sizeof address;
    EXPECT_EQ(getsockname(client_, generic, &size), 0);
    port_ = ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);  // at the same place for both families
    close(listener);
  }
  ~TcpConnection() {
    close(client_);
    CloseServer();
  }
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;

  void CloseServer() {
    if (server_ >= 0) close(server_);
    server_ = -1;
  }

  int client() const { return client_; }
  int server() const { return server_; }
  int port() const { return port_; }

 private:
  int client_ = -1, server_ = -1, port_ = 0;
};

}  // namespace watchword
