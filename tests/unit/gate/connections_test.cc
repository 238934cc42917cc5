#include "watchword/gate/connections.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <list>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "testing/tcp_connection.h"
#include "watchword/base/testing/fake_clock.h"

namespace watchword {
namespace {

using Answer = Connections::Answer;

class ConnectionsTest : public testing::Test {
 protected:
  // Takes a connection, if it may.
  Answer Connect(const std::string& source) {
    const Answer answer = connections_.Ask(source);
    if (answer != Answer::kTake) return answer;
    sockets_.emplace_back(AF_INET);
    names_.push_back(connections_.Add(sockets_.back().server(), source));
    return answer;
  }
  // Takes connections that their clients leave while gRPC holds them. How many.
  int ConnectAndLeave(const std::string& source, int times) {
    int taken = 0;
    for (int i = 0; i < times; ++i) {
      if (Connect(source) != Answer::kTake) continue;
      connections_.NoteLeft(names_.back());
      ++taken;
    }
    return taken;
  }
  int ConnectTimes(const std::string& source, int times) {
    int taken = 0;
    for (int i = 0; i < times; ++i) taken += Connect(source) == Answer::kTake ? 1 : 0;
    return taken;
  }

  FakeClock clock_;
  Connections::Load load_;
  Connections connections_{{.from_one_address = 20, .in_all = 30}, [this] { return load_; }, clock_};
  std::list<TcpConnection> sockets_;
  std::vector<uint64_t> names_;
};

TEST_F(ConnectionsTest, AnAddressMayHaveSoManyAndAllTogether) {
  EXPECT_EQ(ConnectTimes("192.0.2.1", 25), 20);
  EXPECT_EQ(connections_.Ask("192.0.2.1"), Answer::kTooManyFromAddress);
  EXPECT_EQ(ConnectTimes("192.0.2.2", 25), 8) << "of the last quarter none has more than a few";
  EXPECT_EQ(ConnectTimes("192.0.2.3", 25), 2);
  EXPECT_EQ(connections_.Ask("192.0.2.4"), Answer::kTooMany);
  EXPECT_EQ(connections_.size(), 30u);
  EXPECT_EQ(connections_.refused(Answer::kTooManyFromAddress), 6u);
  EXPECT_EQ(connections_.refused(Answer::kTooMany), 41u);
}

TEST_F(ConnectionsTest, OneThatGrpcHasClosedMakesRoom) {
  EXPECT_EQ(ConnectTimes("192.0.2.1", 21), 20);
  EXPECT_TRUE(connections_.IsOpen(names_.front()));
  sockets_.front().CloseServer();
  EXPECT_FALSE(connections_.IsOpen(names_.front()));
  clock_.Advance(absl::Milliseconds(100));  // all are looked at ten times a second at most
  EXPECT_EQ(ConnectTimes("192.0.2.1", 2), 1);
  EXPECT_EQ(connections_.size(), 20u);
}

TEST_F(ConnectionsTest, ADescriptorThatIsAnothersByNowIsNoLongerTheConnections) {
  ASSERT_EQ(Connect("192.0.2.1"), Answer::kTake);
  const TcpConnection other(AF_INET);
  ASSERT_GE(dup2(other.server(), sockets_.front().server()), 0);
  EXPECT_EQ(connections_.size(), 0u);
}

TEST_F(ConnectionsTest, ADescriptorThatComesAgainIsOneConnection) {
  ASSERT_EQ(Connect("192.0.2.1"), Answer::kTake);
  const uint64_t again = connections_.Add(sockets_.front().server(), "192.0.2.2");
  EXPECT_NE(again, names_.front());
  EXPECT_TRUE(connections_.IsOpen(again));
  EXPECT_FALSE(connections_.IsOpen(names_.front()));
  EXPECT_EQ(connections_.size(), 1u);
}

TEST_F(ConnectionsTest, WhoLeavesConnectionsBehindGetsNewOnesSlowly) {
  EXPECT_EQ(ConnectAndLeave("192.0.2.1", 12), 8);
  EXPECT_EQ(connections_.Ask("192.0.2.1"), Answer::kLeft);
  EXPECT_EQ(connections_.Ask("192.0.2.2"), Answer::kTake) << "others are not held up";
  clock_.Advance(absl::Milliseconds(249));
  EXPECT_EQ(connections_.Ask("192.0.2.1"), Answer::kLeft);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(ConnectAndLeave("192.0.2.1", 2), 1);
  EXPECT_EQ(connections_.refused(Answer::kLeft), 7u);
}

TEST_F(ConnectionsTest, WhoHadAConnectionBrokenOffGetsNoneForASecond) {
  ASSERT_EQ(Connect("192.0.2.1"), Answer::kTake);
  connections_.NoteBroken("192.0.2.1");
  sockets_.front().CloseServer();
  EXPECT_EQ(connections_.Ask("192.0.2.1"), Answer::kBroken);
  EXPECT_EQ(connections_.Ask("192.0.2.2"), Answer::kTake) << "others are not held up";
  clock_.Advance(absl::Milliseconds(999));
  connections_.NoteBroken("192.0.2.3");  // forgets those whose second is over
  EXPECT_EQ(connections_.Ask("192.0.2.1"), Answer::kBroken);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(connections_.Ask("192.0.2.1"), Answer::kTake);
  EXPECT_EQ(connections_.Ask("192.0.2.3"), Answer::kBroken);
  EXPECT_EQ(connections_.refused(Answer::kBroken), 3u);
}

TEST_F(ConnectionsTest, WhatGrpcHasLetGoOfIsNotLeftBehind) {
  EXPECT_EQ(ConnectAndLeave("192.0.2.1", 9), 8);
  sockets_.front().CloseServer();
  EXPECT_EQ(connections_.Ask("192.0.2.1"), Answer::kLeft) << "looked at just before";
  clock_.Advance(absl::Milliseconds(10));
  EXPECT_EQ(ConnectAndLeave("192.0.2.1", 2), 1);
  for (TcpConnection& socket : sockets_) socket.CloseServer();
  clock_.Advance(absl::Milliseconds(10));
  EXPECT_EQ(ConnectAndLeave("192.0.2.1", 9), 8);
}

TEST_F(ConnectionsTest, LeavingTwiceOrAfterTheEndIsLeavingOnce) {
  ASSERT_EQ(Connect("192.0.2.1"), Answer::kTake);
  for (int i = 0; i < 20; ++i) connections_.NoteLeft(names_.front());
  sockets_.front().CloseServer();
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(ConnectTimes("192.0.2.1", 10), 10);
  for (int i = 0; i < 20; ++i) connections_.NoteLeft(names_.front());  // perhaps with the descriptor of another by now
  EXPECT_EQ(ConnectTimes("192.0.2.1", 10), 10);
}

TEST(ManyConnectionsTest, WithManyLeftInAllOneIsEnough) {
  const FakeClock clock;
  Connections connections(
      {.from_one_address = 100, .in_all = 1'000}, [] { return Connections::Load(); }, clock);
  std::list<TcpConnection> sockets;
  const auto leave = [&](const std::string& source) {
    if (connections.Ask(source) != Answer::kTake) return false;
    sockets.emplace_back(AF_INET);
    connections.NoteLeft(connections.Add(sockets.back().server(), source));
    return true;
  };
  for (int i = 0; i < 64; ++i) EXPECT_TRUE(leave(std::to_string(i % 16))) << i;
  EXPECT_FALSE(leave("0"));
  EXPECT_TRUE(leave("new")) << "who has left none behind is let in";
  EXPECT_FALSE(leave("new"));
}

TEST_F(ConnectionsTest, WhileCallsAreRefusedAtTheRateOfAFloodAnAddressGetsMoreThanAFewSlowly) {
  EXPECT_EQ(ConnectTimes("192.0.2.1", 8), 8);
  load_.refused += 101;
  clock_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(ConnectTimes("192.0.2.1", 3), 0);
  EXPECT_EQ(ConnectTimes("192.0.2.2", 9), 8);
  clock_.Advance(absl::Milliseconds(150));
  EXPECT_EQ(ConnectTimes("192.0.2.1", 3), 1);
  clock_.Advance(absl::Seconds(5));
  EXPECT_EQ(ConnectTimes("192.0.2.1", 3), 3) << "it is over";
}

TEST_F(ConnectionsTest, FewerRefusalsAreNoFlood) {
  EXPECT_EQ(ConnectTimes("192.0.2.1", 8), 8);
  load_.refused += 100;
  clock_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(ConnectTimes("192.0.2.1", 3), 3);
  load_.refused += 1'000'000;  // over a long time, without a new connection
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(ConnectTimes("192.0.2.1", 3), 3);
}

// What has come over a connection and is not read may wait for as long as there is no flood.
class BreakFloodingTest : public ConnectionsTest {
 protected:
  // `grown`: the process since the last time, in MiB.
  void Flood(int calls, int refused, int grown) {
    load_.memory += static_cast<size_t>(grown) << 20;
    load_.refused += refused;
    load_.refused_without_credential += calls;
    clock_.Advance(absl::Milliseconds(100));
    last_ = connections_.BreakFlooding();
  }
  void ConnectAndSend() {
    ASSERT_EQ(ConnectTimes("192.0.2.1", 9), 9);
    for (const TcpConnection& each : sockets_) Send(each, 20'480);
  }
  // Lets the client send so many bytes, and the kernel deliver them.
  static void Send(const TcpConnection& connection, size_t size) {
    const std::string bytes(size, 'x');
    ASSERT_EQ(send(connection.client(), bytes.data(), size, MSG_NOSIGNAL), static_cast<ssize_t>(size));
    std::string received(size, ' ');
    ASSERT_EQ(recv(connection.server(), received.data(), size, MSG_PEEK | MSG_WAITALL), static_cast<ssize_t>(size));
  }
  static bool IsBroken(const TcpConnection& connection) {
    char byte = 0;
    return recv(connection.client(), &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET;
  }

  Connections::Broken last_;
};

TEST_F(BreakFloodingTest, BreaksThoseWithMuchUnreadOfAnAddressWithManyOfThemAndNoOthers) {
  ASSERT_EQ(ConnectTimes("192.0.2.1", 10), 10);
  const TcpConnection& slow = sockets_.back();
  Send(slow, 2'047);
  for (auto each = sockets_.begin(); &*each != &slow; ++each) Send(*each, 2'048);
  const TcpConnection& flooding = sockets_.front();
  ASSERT_EQ(ConnectTimes("192.0.2.2", 9), 9);
  for (auto each = std::prev(sockets_.end(), 8); each != sockets_.end(); ++each) Send(*each, 20'480);
  Flood(/*calls=*/101, /*refused=*/101, /*grown=*/500);  // before it, that is
  Flood(/*calls=*/101, /*refused=*/101, /*grown=*/160);
  EXPECT_FALSE(IsBroken(flooding)) << "the process has not grown by more yet";
  Flood(/*calls=*/101, /*refused=*/101, /*grown=*/1);
  EXPECT_TRUE(IsBroken(flooding));
  EXPECT_FALSE(IsBroken(slow));
  EXPECT_FALSE(IsBroken(sockets_.back())) << "of an address with many, but few that flood";
  EXPECT_EQ(connections_.broken(), 9u);
  EXPECT_EQ(last_.connections, 9);
  EXPECT_EQ(last_.source, "192.0.2.1");
  EXPECT_EQ(connections_.Ask("192.0.2.1"), Answer::kBroken);
}

TEST_F(BreakFloodingTest, BreaksNoneWhileNoFloodOfCallsWithoutACredentialIsRefused) {
  ConnectAndSend();
  for (int i = 0; i < 3; ++i) {
    Flood(/*calls=*/100, /*refused=*/10'000, /*grown=*/500);  // credentials that are no longer good
    EXPECT_FALSE(IsBroken(sockets_.front()));
  }
}

TEST_F(BreakFloodingTest, MemoryThatWasTakenBeforeTheFloodIsNotItsFault) {
  ConnectAndSend();
  for (int i = 0; i < 10; ++i) Flood(/*calls=*/0, /*refused=*/0, /*grown=*/50);
  for (int i = 0; i < 10; ++i) Flood(/*calls=*/101, /*refused=*/101, /*grown=*/10);
  EXPECT_FALSE(IsBroken(sockets_.front()));
  clock_.Advance(absl::Seconds(5));
  Flood(/*calls=*/1'000'000, /*refused=*/1'000'000, /*grown=*/200);  // another flood
  EXPECT_FALSE(IsBroken(sockets_.front()));
  Flood(/*calls=*/10, /*refused=*/10, /*grown=*/200);
  EXPECT_FALSE(IsBroken(sockets_.front())) << "too few are refused just now";
  Flood(/*calls=*/101, /*refused=*/101, /*grown=*/0);
  EXPECT_TRUE(IsBroken(sockets_.front()));
}

TEST_F(BreakFloodingTest, WhatAProcessTakesInTheLongRunIsNotAFloodsFault) {
  ConnectAndSend();
  for (int i = 0; i < 1'000; ++i) Flood(/*calls=*/101, /*refused=*/101, /*grown=*/1);
  EXPECT_FALSE(IsBroken(sockets_.front()));
}

TEST_F(BreakFloodingTest, MemoryThatIsNotKnownIsNobodysFault) {
  ConnectAndSend();
  Flood(/*calls=*/101, /*refused=*/101, /*grown=*/0);
  Flood(/*calls=*/101, /*refused=*/101, /*grown=*/500);
  EXPECT_FALSE(IsBroken(sockets_.front()));
}

TEST_F(BreakFloodingTest, AnAddressWithMoreThanAFewConnectionsIsCrowded) {
  ASSERT_EQ(ConnectTimes("192.0.2.1", 8), 8);
  EXPECT_FALSE(connections_.IsCrowded());
  ASSERT_EQ(ConnectTimes("192.0.2.1", 2), 2);
  EXPECT_TRUE(connections_.IsCrowded());
  sockets_.front().CloseServer();
  sockets_.back().CloseServer();
  EXPECT_EQ(connections_.size(), 8u);
  EXPECT_FALSE(connections_.IsCrowded());
}

}  // namespace
}  // namespace watchword
