#include "watchword/gate/listening_sockets.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace watchword {
namespace {

constexpr int kMaxPort = 65'535;
constexpr int kUnixPort = 1;               // what gRPC says in place of one
constexpr int kUnacknowledgedMs = 20'000;  // for as long may a peer not acknowledge what was sent, then it is gone

// The inode of the Unix socket's file; 0 if it is none.
ino_t SocketFile(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

bool Set(int descriptor, int level, int option, int value) {
  return setsockopt(descriptor, level, option, &value, sizeof value) == 0;
}

// Whether somebody listens on the Unix socket.
bool IsInUse(const sockaddr_un& address) {
  const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool is_in_use = connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
                         errno == EAGAIN;  // as many have connected as may wait
  close(client);
  return is_in_use;
}

// A socket that listens on `address`, or -1 with errno set.
int Listen(const sockaddr* address, socklen_t size) {
  const int descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -1;
  bool good = true;
  // Not SO_REUSEPORT, with which a second server would get half of the connections in silence. The connections inherit
  // what is set for TCP.
  if (address->sa_family != AF_UNIX) {
    good = Set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) && Set(descriptor, IPPROTO_TCP, TCP_NODELAY, 1) &&
           Set(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, kUnacknowledgedMs);
  }
  if (address->sa_family == AF_INET6) {
    const bool is_any = IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
    good = good && Set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, is_any ? 0 : 1);
  }
  if (good && bind(descriptor, address, size) == 0 && listen(descriptor, SOMAXCONN) == 0) return descriptor;
  const int error = errno;
  close(descriptor);
  errno = error;
  return -1;
}

int PortOf(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

void SetPort(sockaddr* address, int port) {
  if (address->sa_family == AF_INET6) reinterpret_cast<sockaddr_in6*>(address)->sin6_port = htons(port);
  if (address->sa_family == AF_INET) reinterpret_cast<sockaddr_in*>(address)->sin_port = htons(port);
}

absl::Status CannotListen() { return absl::UnavailableError(std::strerror(errno)); }

}  // namespace

ListeningSockets::~ListeningSockets() { Close(); }

absl::StatusOr<int> ListeningSockets::Open(const std::string& address) {
  absl::string_view rest = address;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    if (absl::StartsWith(rest, "//")) rest.remove_prefix(2);  // unix:///path
    return OpenUnix(std::string(rest));
  }
  const size_t colon = rest.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(rest.substr(colon + 1), &port) || port < 0 ||
      port > kMaxPort) {
    return absl::InvalidArgumentError("must be HOST:PORT or unix:PATH");
  }
  absl::string_view host = rest.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[") != absl::ConsumeSuffix(&host, "]") || host.empty()) {
    return absl::InvalidArgumentError("must be HOST:PORT or unix:PATH");
  }
  auto opened = OpenTcp(std::string(host), absl::StrCat(port));
  if (host == "::" && absl::IsUnimplemented(opened.status())) opened = OpenTcp("0.0.0.0", absl::StrCat(port));
  if (!opened.ok()) Close();
  return opened;
}

absl::StatusOr<int> ListeningSockets::OpenUnix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("the path of a Unix socket has 1 to ", sizeof address.sun_path - 1, " bytes"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (SocketFile(path) != 0) {
    if (IsInUse(address)) return absl::UnavailableError(std::strerror(EADDRINUSE));
    unlink(path.c_str());  // what a server that was killed has left
  }
  const int descriptor = Listen(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (descriptor < 0) return CannotListen();
  descriptors_.push_back(descriptor);
  unix_path_ = path;
  unix_file_ = SocketFile(path);
  return kUnixPort;
}

// UNIMPLEMENTED if no address is of a kind that this machine has.
absl::StatusOr<int> ListeningSockets::OpenTcp(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return absl::UnavailableError(gai_strerror(error));
  }
  const absl::Cleanup free = [found] { freeaddrinfo(found); };
  int selected = 0;
  for (addrinfo* each = found; each != nullptr; each = each->ai_next) {
    if (selected != 0) SetPort(each->ai_addr, selected);
    const int descriptor = Listen(each->ai_addr, each->ai_addrlen);
    if (descriptor < 0 && errno == EAFNOSUPPORT) continue;
    // localhost is ::1 as well where there is IPv6, but none on the loopback interface.
    if (descriptor < 0 && errno == EADDRNOTAVAIL && found->ai_next != nullptr) continue;
    if (descriptor < 0) return CannotListen();
    descriptors_.push_back(descriptor);
    selected = PortOf(descriptor);
  }
  if (descriptors_.empty()) return absl::UnimplementedError("no address of a kind that this machine has");
  return selected;
}

void ListeningSockets::Close() {
  for (const int descriptor : descriptors_) close(descriptor);
  descriptors_.clear();
  // Unless it is another's by now.
  if (!unix_path_.empty() && SocketFile(unix_path_) == unix_file_) unlink(unix_path_.c_str());
  unix_path_.clear();
}

}  // namespace watchword
