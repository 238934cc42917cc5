#include "watchword/gate/caller.h"

#include "grpc/grpc_security_constants.h"
#include "grpcpp/server_context.h"
#include "watchword/gate/admission.h"
#include "watchword/gate/gate.h"

namespace watchword {
namespace {

std::string PeerCertificateOf(const grpc::ServerContextBase& context) {
  const auto values = context.auth_context()->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  return values.empty() ? "" : std::string(values.front().data(), values.front().size());
}

}  // namespace

absl::StatusOr<Caller> Caller::From(const grpc::ServerContextBase& context, const Gate& gate) {
  auto verified =
      gate.admission_->Authenticate(AuthorizationOf(context), [&context] { return PeerCertificateOf(context); });
  if (!verified.ok()) return verified.status();
  return Caller(*std::move(verified));
}

}  // namespace watchword
