#pragma once

#include <string>
#include <utility>
#include <vector>

namespace watchword {

// Sends one gRPC request over plaintext HTTP/2 to 127.0.0.1:`port` with these header fields, whose bytes go out as they
// are, unlike those of a gRPC client, which refuses what is not allowed. What the server sent back until the call had
// ended, header fields still encoded; those that matter here, gRPC sends as plain text.
std::string RawHttp2Call(int port, const std::string& path,
                         const std::vector<std::pair<std::string, std::string>>& fields);

// Whether the response ends the call with this gRPC status.
bool HasGrpcStatus(const std::string& response, int status);

}  // namespace watchword
