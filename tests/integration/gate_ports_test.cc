// How the ports of a gate are opened and closed, and which connections they take.
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gate_fixture.h"
#include "watchword/base/resident_memory.h"

namespace watchword {
namespace {

using testing::HasSubstr;

// A TCP connection to a port of this machine, with what a client of HTTP/2 begins with.
class RawConnection {
 public:
  explicit RawConnection(int port, int family = AF_INET) : socket_(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage address{};
    address.ss_family = static_cast<sa_family_t>(family);
    auto& v4 = reinterpret_cast<sockaddr_in&>(address);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
    if (family == AF_INET) v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (family == AF_INET6) v6.sin6_addr = in6addr_loopback;
    (family == AF_INET ? v4.sin_port : v6.sin6_port) = htons(static_cast<uint16_t>(port));
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const socklen_t size = family == AF_INET ? sizeof v4 : sizeof v6;
    connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0;
    constexpr absl::string_view kHello("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 33);
    send(socket_, kHello.data(), kHello.size(), MSG_NOSIGNAL);
  }
  ~RawConnection() { Close(); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  void Close() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }
  // Ends it with a reset in place of an orderly end.
  void Reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    Close();
  }
  bool connected() const { return connected_; }
  // Whether the server answers, rather than closing it or doing nothing for ten seconds.
  bool IsServed() const {
    char byte = 0;
    return recv(socket_, &byte, 1, 0) == 1;
  }
  // Whether the server closes it, rather than answering or doing nothing.
  bool IsClosed() const {
    char byte = 0;
    const ssize_t size = recv(socket_, &byte, 1, 0);
    return size == 0 || (size < 0 && errno == ECONNRESET);
  }

 private:
  int socket_;
  bool connected_ = false;
};

size_t OpenDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

class GatePortsTest : public GateFixture {
 protected:
  GatePortsTest() {
    Remake({.from_one_address = 3, .in_all = 100});
    ResidentBytes();  // which keeps a file open, not to be counted later
  }

  void Remake(Connections::Limits limits) {
    gate_ = Gate::CreateOn(trust_, {.issuer = std::string(kTestIssuer),
                                    .audiences = {std::string(kTestAudience)},
                                    .connections = limits,
                                    .log = &log_,
                                    .clock = &clock_})
                .value();
  }
  std::unique_ptr<grpc::Server> Start(const std::string& address, PortSecurity security = PortSecurity::Plaintext()) {
    grpc::ServerBuilder builder;
    grpc::EnableDefaultHealthCheckService(true);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 1);
    gate_->AddListeningPort(builder, address, std::move(security), &port_);
    return builder.BuildAndStart();
  }
  bool HealthCheckSucceeds(const std::string& address) {
    const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
    return RawCall(channel, "/grpc.health.v1.Health/Check", {}).status.ok();
  }

  ErrorLog log_;
  int port_ = 0;
};

TEST_F(GatePortsTest, APortThatIsInUseStopsTheStart) {
  const auto first = Start("127.0.0.1:0");
  ASSERT_NE(first, nullptr);
  const std::string address = absl::StrCat("127.0.0.1:", port_);
  EXPECT_EQ(Start(address), nullptr);
  EXPECT_THAT(log_.text, HasSubstr(absl::StrCat("cannot listen ", address, " Address already in use")));
  EXPECT_TRUE(HealthCheckSucceeds(address)) << "the one that is there goes on";
}

TEST_F(GatePortsTest, WhatIsNoAddressOfThisMachineStopsTheStart) {
  for (const std::string address : {"192.0.2.1:0", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", "[::1:0", ":0",
                                    "no-such-host.invalid:0", "unix:/nonexistent/folder/socket"}) {
    EXPECT_EQ(Start(address), nullptr) << address;
    EXPECT_THAT(log_.text, HasSubstr(address));
  }
}

TEST_F(GatePortsTest, AnyAddressOfIpV6TakesIpV4AsWell) {
  const auto server = Start("[::]:0");
  ASSERT_NE(server, nullptr);
  EXPECT_TRUE(RawConnection(port_, AF_INET).IsServed());
  EXPECT_TRUE(RawConnection(port_, AF_INET6).IsServed());
}

TEST_F(GatePortsTest, ANameIsListenedOnAtAllItsAddresses) {
  const auto server = Start("localhost:0");
  ASSERT_NE(server, nullptr);
  EXPECT_TRUE(RawConnection(port_, AF_INET).IsServed());
}

TEST_F(GatePortsTest, AnAddressOfIpV4TakesNoIpV6) {
  const auto server = Start("0.0.0.0:0");
  ASSERT_NE(server, nullptr);
  EXPECT_TRUE(RawConnection(port_, AF_INET).IsServed());
  EXPECT_FALSE(RawConnection(port_, AF_INET6).connected());
}

TEST_F(GatePortsTest, TheFileOfAUnixSocketIsReplacedAndRemoved) {
  const std::string path = absl::StrCat(testing::TempDir(), "/gate_ports_", getpid());
  const absl::Cleanup remove = [&path] { unlink(path.c_str()); };
  const auto is_there = [&path] {
    struct stat status {};
    return lstat(path.c_str(), &status) == 0;
  };
  const int left = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);  // by a server that was killed
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(left, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(left);
  ASSERT_TRUE(is_there());
  auto server = Start(absl::StrCat("unix:", path), PortSecurity::UnixSocket());
  ASSERT_NE(server, nullptr);
  const auto channel = grpc::CreateChannel(absl::StrCat("unix:", path), grpc::InsecureChannelCredentials());
  EXPECT_TRUE(RawCall(channel, "/grpc.health.v1.Health/Check", {}).status.ok());
  EXPECT_EQ(gate_->metrics().connections, 1u);
  EXPECT_EQ(Start(absl::StrCat("unix:", path), PortSecurity::UnixSocket()), nullptr) << "it is in use";
  EXPECT_THAT(log_.text, HasSubstr("Address already in use"));
  server.reset();
  EXPECT_FALSE(is_there());
}

TEST_F(GatePortsTest, AFileThatIsNoSocketIsNotReplaced) {
  EXPECT_EQ(Start("unix:/etc/hostname", PortSecurity::UnixSocket()), nullptr);
  EXPECT_TRUE(std::filesystem::exists("/etc/hostname"));
}

TEST_F(GatePortsTest, ConnectionsBeyondTheLimitAreClosedAndCounted) {
  const auto server = Start("127.0.0.1:0");
  ASSERT_NE(server, nullptr);
  std::list<RawConnection> connections;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(connections.emplace_back(port_).IsServed());
  EXPECT_TRUE(RawConnection(port_).IsClosed());
  EXPECT_EQ(gate_->metrics().refused_connections.at("TOO_MANY_FROM_ADDRESS"), 1u);
  EXPECT_EQ(gate_->metrics().connections, 3u);
  connections.pop_front();
  while (gate_->metrics().connections == 3) clock_.Advance(absl::Milliseconds(100));  // gRPC lets go of it soon
  EXPECT_TRUE(RawConnection(port_).IsServed());
}

TEST_F(GatePortsTest, AConnectionThatIsResetAtOnceHarmsNobody) {
  Remake({.from_one_address = 1'000, .in_all = 1'000});
  const auto server = Start("127.0.0.1:0");
  ASSERT_NE(server, nullptr);
  for (int i = 0; i < 300; ++i) {
    RawConnection(port_).Reset();
    clock_.Advance(absl::Seconds(1));
  }
  while (!RawConnection(port_).IsServed()) clock_.Advance(absl::Seconds(1));  // gRPC may still hold some of them
  while (gate_->metrics().connections > 0) clock_.Advance(absl::Milliseconds(100));
}

TEST_F(GatePortsTest, AServerThatIsShutDownKeepsNoNewConnection) {
  const auto server = Start("127.0.0.1:0");
  ASSERT_NE(server, nullptr);
  server->Shutdown(std::chrono::system_clock::now());
  server->Wait();
  const size_t before = OpenDescriptors();
  const RawConnection late(port_);
  EXPECT_TRUE(!late.connected() || late.IsClosed());
  EXPECT_FALSE(RawConnection(port_).connected());
  EXPECT_LE(OpenDescriptors(), before);
}

TEST_F(GatePortsTest, AServerThatIsGoneListensNoMore) {
  const size_t before = OpenDescriptors();
  auto server = Start("127.0.0.1:0");
  ASSERT_NE(server, nullptr);
  server.reset();
  EXPECT_FALSE(RawConnection(port_).connected());
  EXPECT_NE(Start(absl::StrCat("127.0.0.1:", port_)), nullptr) << "the port is free again";
  EXPECT_LE(OpenDescriptors(), before + 2) << "gRPC itself may keep some for later";
}

TEST_F(GatePortsTest, ServersStartAndEndWhileClientsConnect) {
  Remake({.from_one_address = 1'000, .in_all = 1'000});
  auto server = Start("127.0.0.1:0");
  ASSERT_NE(server, nullptr);
  const std::string address = absl::StrCat("127.0.0.1:", port_);
  std::atomic<bool> ended = false;
  std::thread clients([port = port_, &ended] {
    while (!ended) RawConnection connection(port);
  });
  for (int i = 0; i < 30; ++i) {
    server.reset();
    server = Start(address);
    EXPECT_NE(server, nullptr) << log_.text;
    clock_.Advance(absl::Seconds(10));
  }
  ended = true;
  clients.join();
  while (!HealthCheckSucceeds(address)) clock_.Advance(absl::Seconds(1));  // gRPC may still hold some of them
}

}  // namespace
}  // namespace watchword
