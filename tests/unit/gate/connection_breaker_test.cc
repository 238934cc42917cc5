#include "watchword/gate/connection_breaker.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace watchword {
namespace {

// A TCP connection over loopback, both ends in this process.
class Connection {
 public:
  explicit Connection(int family) {
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
  ~Connection() {
    close(client_);
    close(server_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int client() const { return client_; }
  int server() const { return server_; }
  int port() const { return port_; }

 private:
  int client_ = -1, server_ = -1, port_ = 0;
};

void ExpectBroken(const Connection& connection, const std::string& peer) {
  ASSERT_EQ(send(connection.client(), "unread", 6, MSG_NOSIGNAL), 6);
  ASSERT_TRUE(BreakConnection(peer)) << peer;
  char byte = 0;
  EXPECT_LT(recv(connection.server(), &byte, 1, MSG_DONTWAIT), 0) << "what was not read must be gone";
  EXPECT_LT(recv(connection.client(), &byte, 1, 0), 0) << "the other side must be told";
}

TEST(ConnectionBreakerTest, BreaksTheConnectionToThePeerWithWhatWasNotRead) {
  const Connection v4(AF_INET), bystander(AF_INET);
  ExpectBroken(v4, absl::StrCat("ipv4:127.0.0.1:", v4.port()));
  EXPECT_EQ(send(bystander.client(), "x", 1, MSG_NOSIGNAL), 1);
  char byte = 0;
  EXPECT_EQ(recv(bystander.server(), &byte, 1, 0), 1);
}

TEST(ConnectionBreakerTest, KnowsIpV6) {
  const Connection v6(AF_INET6);
  ExpectBroken(v6, absl::StrCat("ipv6:%5B::1%5D:", v6.port()));
}

TEST(ConnectionBreakerTest, TouchesNothingForAPeerThatIsNotThere) {
  const Connection connection(AF_INET);
  for (const std::string& peer : {std::string("ipv4:127.0.0.1:1"), std::string("unix:"), std::string(),
                                  absl::StrCat("ipv4:127.0.0.1:", connection.port(), "0")}) {
    EXPECT_FALSE(BreakConnection(peer)) << peer;
  }
  EXPECT_EQ(send(connection.client(), "x", 1, MSG_NOSIGNAL), 1);
}

}  // namespace
}  // namespace watchword
