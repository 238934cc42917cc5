#include "watchword/base/source_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace watchword {
namespace {

std::string TextOf(int family, const void* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return inet_ntop(family, address, text.data(), text.size()) == nullptr ? "" : text.data();
}

std::string SourceOfV6(in6_addr address) {
  constexpr size_t kAddressSize = 16;
  constexpr size_t kNetworkSize = 8;
  if (IN6_IS_ADDR_V4MAPPED(&address)) return TextOf(AF_INET, &address.s6_addr[kAddressSize - sizeof(in_addr)]);
  std::memset(&address.s6_addr[kNetworkSize], 0, kAddressSize - kNetworkSize);
  return absl::StrCat(TextOf(AF_INET6, &address), "/64");
}

}  // namespace

absl::StatusOr<std::string> SourceOfAddress(absl::string_view address) {
  const std::string text(address);
  const bool has_nul = text.find('\0') != std::string::npos;  // what follows it would be overlooked
  in_addr v4;
  if (!has_nul && inet_pton(AF_INET, text.c_str(), &v4) == 1) return TextOf(AF_INET, &v4);
  in6_addr v6;
  if (has_nul || inet_pton(AF_INET6, text.c_str(), &v6) != 1) {
    return absl::InvalidArgumentError("must be an IP address, such as 192.0.2.7 or 2001:db8::1");
  }
  return SourceOfV6(v6);
}

std::string SourceOfPeer(absl::string_view peer) {
  if (absl::StartsWith(peer, "unix")) return "unix";
  const size_t port = peer.rfind(':');
  if (absl::string_view host = peer.substr(0, port); absl::ConsumePrefix(&host, "ipv4:")) {
    if (auto source = SourceOfAddress(host); source.ok()) return *source;
  } else if (absl::ConsumePrefix(&host, "ipv6:")) {
    const std::string plain = absl::StrReplaceAll(host, {{"%5B", ""}, {"%5D", ""}, {"[", ""}, {"]", ""}});
    // Without the zone of a link-local address ("fe80::1%25eth0").
    if (auto source = SourceOfAddress(absl::string_view(plain).substr(0, plain.find('%'))); source.ok()) return *source;
  }
  return "unknown";
}

std::string SourceOfSocketAddress(const sockaddr_storage& address) {
  switch (address.ss_family) {
    case AF_INET:
      return TextOf(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr);
    case AF_INET6:
      return SourceOfV6(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
    case AF_UNIX:
      return "unix";
    default:
      return "unknown";
  }
}

}  // namespace watchword
