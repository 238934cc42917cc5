#include "watchword/gate/peer_certificate.h"

#include "grpc/grpc_security_constants.h"
#include "grpcpp/server_context.h"

namespace watchword {

std::string PeerCertificateOf(const grpc::ServerContextBase& context) {
  const auto values = context.auth_context()->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  return values.empty() ? "" : std::string(values.front().data(), values.front().size());
}

// Where the properties of the connection's auth context lie: the context itself is not to be had.
const void* ConnectionOf(const grpc::ServerContextBase& context) {
  const auto values = context.auth_context()->FindPropertyValues(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
  return values.empty() ? nullptr : values.front().data();
}

}  // namespace watchword
