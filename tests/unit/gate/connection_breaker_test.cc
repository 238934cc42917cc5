#include "watchword/gate/connection_breaker.h"

#include <sys/socket.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "testing/tcp_connection.h"

namespace watchword {
namespace {

void ExpectBroken(const TcpConnection& connection, const std::string& peer) {
  ASSERT_EQ(send(connection.client(), "unread", 6, MSG_NOSIGNAL), 6);
  ASSERT_TRUE(BreakConnection(peer)) << peer;
  char byte = 0;
  EXPECT_LT(recv(connection.server(), &byte, 1, MSG_DONTWAIT), 0) << "what was not read must be gone";
  EXPECT_LT(recv(connection.client(), &byte, 1, 0), 0) << "the other side must be told";
}

TEST(ConnectionBreakerTest, BreaksTheConnectionToThePeerWithWhatWasNotRead) {
  const TcpConnection v4(AF_INET), bystander(AF_INET);
  ExpectBroken(v4, absl::StrCat("ipv4:127.0.0.1:", v4.port()));
  EXPECT_EQ(send(bystander.client(), "x", 1, MSG_NOSIGNAL), 1);
  char byte = 0;
  EXPECT_EQ(recv(bystander.server(), &byte, 1, 0), 1);
}

TEST(ConnectionBreakerTest, KnowsIpV6) {
  const TcpConnection v6(AF_INET6);
  ExpectBroken(v6, absl::StrCat("ipv6:%5B::1%5D:", v6.port()));
}

TEST(ConnectionBreakerTest, TouchesNothingForAPeerThatIsNotThere) {
  const TcpConnection connection(AF_INET);
  for (const std::string& peer : {std::string("ipv4:127.0.0.1:1"), std::string("unix:"), std::string(),
                                  absl::StrCat("ipv4:127.0.0.1:", connection.port(), "0")}) {
    EXPECT_FALSE(BreakConnection(peer)) << peer;
  }
  EXPECT_EQ(send(connection.client(), "x", 1, MSG_NOSIGNAL), 1);
}

}  // namespace
}  // namespace watchword
