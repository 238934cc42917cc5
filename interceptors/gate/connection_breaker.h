#pragma once

#include "absl/strings/string_view.h"

namespace watchword {

// Breaks off the TCP connection to `peer`, written as gRPC does ("ipv4:127.0.0.1:50000", "ipv6:%5B::1%5D:50000"), and
// throws away what has come over it and was not read yet. Whether there was one.
//
// gRPC 1.51 reads a connection for as long as there is something to read, on a thread that the calls of others may
// need, and has no way to end one. So the socket is looked for among the process's own and disconnected behind its
// back, which to gRPC looks as if the other side had reset it. Only for connections that do nothing but harm.
bool BreakConnection(absl::string_view peer);

// The same for the TCP connection of this socket.
bool BreakConnection(int socket);

}  // namespace watchword
