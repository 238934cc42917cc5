#pragma once

#include <string>

namespace grpc {
class ServerContextBase;
}

namespace watchword {

// The client certificate of a call's connection as PEM; empty if there is none.
std::string PeerCertificateOf(const grpc::ServerContextBase& context);

// Tells connections apart: the same for all calls of one, as long as it is there. Null if gRPC does not say.
const void* ConnectionOf(const grpc::ServerContextBase& context);

}  // namespace watchword
