#pragma once

#include <sys/socket.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace watchword {

// What counts as one source of logins or connections: an IPv4 address, or the /64 of an IPv6 address, since a host has
// all of one. In one form for each ("192.0.2.7", "2001:db8::/64").

// The source that an IP address as text is: "192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1". INVALID_ARGUMENT if it is
// none.
absl::StatusOr<std::string> SourceOfAddress(absl::string_view address);

// The source of a gRPC peer: "ipv4:192.0.2.7:4711", "ipv6:%5B2001:db8::1%5D:4711". All that come through Unix sockets
// are one, and so is whatever is not understood.
std::string SourceOfPeer(absl::string_view peer);

// The source of a connection, by the address of its other end.
std::string SourceOfSocketAddress(const sockaddr_storage& address);

}  // namespace watchword
