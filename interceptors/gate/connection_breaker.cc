#include "watchword/gate/connection_breaker.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace watchword {
namespace {

// As gRPC writes the address; empty if it is of another kind.
std::string Format(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN];
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    if (inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text) == nullptr) return "";
    return absl::StrCat("ipv4:", text, ":", ntohs(v4.sin_port));
  }
  if (address.ss_family != AF_INET6) return "";
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {  // an IPv4 client of a port that takes both
    if (inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof text) == nullptr) return "";
    return absl::StrCat("ipv4:", text, ":", ntohs(v6.sin6_port));
  }
  if (inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text) == nullptr) return "";
  return absl::StrCat("ipv6:%5B", text, "%5D:", ntohs(v6.sin6_port));
}

std::string PeerOf(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "";
  return Format(address);
}

}  // namespace

// Connecting a TCP socket to no address empties its buffers and resets the connection; shutdown would leave what was
// received to be read.
bool BreakConnection(int socket) {
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  return connect(socket, &nobody, sizeof nobody) == 0;
}

bool BreakConnection(absl::string_view peer) {
  if (!absl::StartsWith(peer, "ipv4:") && !absl::StartsWith(peer, "ipv6:")) return false;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), closedir);
  if (folder == nullptr) return false;
  while (const dirent* entry = readdir(folder.get())) {
    int descriptor = -1;
    if (absl::SimpleAtoi(entry->d_name, &descriptor) && PeerOf(descriptor) == peer) return BreakConnection(descriptor);
  }
  return false;
}

}  // namespace watchword
