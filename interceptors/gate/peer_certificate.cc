#include "watchword/gate/peer_certificate.h"

#include "grpc/grpc_security_constants.h"
#include "grpcpp/server_context.h"

namespace watchword {

std::string PeerCertificateOf(const grpc::ServerContextBase& context) {
  const auto values = context.auth_context()->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  return values.empty() ? "" : std::string(values.front().data(), values.front().size());
}

}  // namespace watchword
