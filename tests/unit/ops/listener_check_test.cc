#include "server/ops/listener_check.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "watchword/base/log.h"

namespace watchword {
namespace {

using testing::HasSubstr;

// A port that accepts only when it is told to.
class Listener {
 public:
  Listener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(socket_, 10), 0);
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() {
    shutdown(socket_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    close(socket_);
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  // Throws out everybody, as servers do with whoever does not speak their protocol.
  void BeginToAccept() {
    thread_ = std::thread([this] {
      for (int client = 0; (client = accept(socket_, nullptr, nullptr)) >= 0;) close(client);
    });
  }

 private:
  const int socket_ = socket(AF_INET, SOCK_STREAM, 0);
  int port_ = 0;
  std::thread thread_;
};

constexpr ListenerCheck::Options kImpatient{.every = absl::Milliseconds(10), .patience = absl::Milliseconds(100)};

template <typename Condition>
bool Until(Condition condition) {
  for (const absl::Time end = absl::Now() + absl::Seconds(20); absl::Now() < end;
       absl::SleepFor(absl::Milliseconds(5))) {
    if (condition()) return true;
  }
  return false;
}

TEST(ListenerCheckTest, APortThatAcceptsIsLive) {
  Listener listener;
  listener.BeginToAccept();
  const ListenerCheck check({listener.address()}, kImpatient, StderrLogger());
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_THAT(check.liveness(), IsOk());
}

TEST(ListenerCheckTest, APortThatAcceptsNobodyIsNamedAndMayRecover) {
  Listener good;
  good.BeginToAccept();
  Listener stuck;
  const ListenerCheck check({good.address(), stuck.address()}, kImpatient, StderrLogger());
  EXPECT_THAT(check.liveness(), IsOk()) << "before it is known";
  ASSERT_TRUE(Until([&] { return !check.liveness().ok(); }));
  EXPECT_THAT(check.liveness(), HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(std::string(check.liveness().message()), HasSubstr(stuck.address()));
  stuck.BeginToAccept();
  EXPECT_TRUE(Until([&] { return check.liveness().ok(); }));
}

TEST(ListenerCheckTest, APortThatIsGoneIsNotLive) {
  std::string address;
  {
    const Listener listener;
    address = listener.address();
  }
  const ListenerCheck check({address}, kImpatient, StderrLogger());
  EXPECT_TRUE(Until([&] { return !check.liveness().ok(); }));
}

TEST(ListenerCheckTest, ItsEndWaitsForNobody) {
  const Listener stuck;
  const absl::Time began = absl::Now();
  {
    const ListenerCheck check({stuck.address()}, {.every = absl::Milliseconds(1), .patience = absl::Minutes(1)},
                              StderrLogger());
  }
  EXPECT_LT(absl::Now() - began, absl::Seconds(20));
}

}  // namespace
}  // namespace watchword
