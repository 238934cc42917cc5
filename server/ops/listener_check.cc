#include "server/ops/listener_check.h"

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace watchword {
namespace {

constexpr absl::string_view kNeitherHttp2NorTls = "GET / HTTP/1.0\r\n\r\n";
constexpr absl::Duration kPauseOfFullQueue = absl::Milliseconds(100);

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

// Nothing if a name server does not know it.
std::optional<SocketAddress> Resolve(absl::string_view text) {
  SocketAddress address;
  if (absl::ConsumePrefix(&text, "unix:")) {
    auto* local = reinterpret_cast<sockaddr_un*>(&address.storage);
    local->sun_family = AF_UNIX;
    std::memcpy(local->sun_path, text.data(), std::min(text.size(), sizeof local->sun_path - 1));
    address.size = sizeof *local;
    return address;
  }
  const size_t colon = text.rfind(':');
  absl::string_view host = text.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  const addrinfo hints{.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  if (getaddrinfo(std::string(host).c_str(), std::string(text.substr(colon + 1)).c_str(), &hints, &found) != 0) {
    return std::nullopt;
  }
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.size = found->ai_addrlen;
  freeaddrinfo(found);
  return address;
}

}  // namespace

ListenerCheck::ListenerCheck(std::vector<std::string> addresses, Options options, Logger& log)
    : addresses_(std::move(addresses)), options_(options), log_(log), end_(eventfd(0, EFD_CLOEXEC)), thread_([this] {
        Run();
      }) {}

ListenerCheck::~ListenerCheck() {
  Stop();
  close(end_);
}

void ListenerCheck::Stop() {
  eventfd_write(end_, 1);
  if (thread_.joinable()) thread_.join();
  MutexLock lock(mutex_);
  liveness_ = absl::OkStatus();
}

absl::Status ListenerCheck::liveness() const {
  MutexLock lock(mutex_);
  return liveness_;
}

void ListenerCheck::Run() {
  pthread_setname_np(pthread_self(), "listener check");
  while (WaitFor(-1, 0, options_.every).has_value()) {
    absl::Status status = CheckAll();
    if (!WaitFor(-1, 0, absl::ZeroDuration()).has_value()) return;  // what was broken off says nothing of the ports
    MutexLock lock(mutex_);
    if (status.ok() != liveness_.ok()) {
      if (status.ok()) {
        log_.Info("connections are accepted again");
      } else {
        log_.Error("the server must be restarted", {{"why", std::string(status.message())}});
      }
    }
    liveness_ = std::move(status);
  }
}

absl::Status ListenerCheck::CheckAll() {
  for (const std::string& address : addresses_) {
    // Again, since a process that was stopped meanwhile, or a machine that was asleep, has not had the time.
    if (Check(address).ok()) continue;
    if (absl::Status status = Check(address); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ListenerCheck::Check(const std::string& text) {
  const std::optional<SocketAddress> address = Resolve(text);
  if (!address.has_value()) return absl::OkStatus();
  const int client = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (client < 0) return absl::OkStatus();
  const absl::Cleanup close_client = [client] { close(client); };
  if (Connect(client, reinterpret_cast<const sockaddr*>(&address->storage), address->size) &&
      send(client, kNeitherHttp2NorTls.data(), kNeitherHttp2NorTls.size(), MSG_NOSIGNAL) > 0 &&
      WaitFor(client, POLLIN, options_.patience) != 0) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat(text, " accepts no connections"));
}

bool ListenerCheck::Connect(int socket, const sockaddr* address, socklen_t size) {
  for (absl::Duration waited; waited <= options_.patience; waited += kPauseOfFullQueue) {
    if (connect(socket, address, size) == 0) return true;
    if (errno == EINPROGRESS) return WaitFor(socket, POLLOUT, options_.patience) == POLLOUT;
    // A Unix socket's answer while too many wait to be accepted.
    if (errno != EAGAIN || !WaitFor(-1, 0, kPauseOfFullQueue).has_value()) return false;
  }
  return false;
}

std::optional<short> ListenerCheck::WaitFor(int socket, short events, absl::Duration at_most) {
  pollfd waited[] = {{.fd = end_, .events = POLLIN, .revents = 0}, {.fd = socket, .events = events, .revents = 0}};
  // Only signals that stop and continue the process come here, after which it may wait anew.
  while (poll(waited, 2, static_cast<int>(absl::ToInt64Milliseconds(at_most))) < 0 && errno == EINTR) {
  }
  if (waited[0].revents != 0) return std::nullopt;
  return waited[1].revents;
}

}  // namespace watchword
