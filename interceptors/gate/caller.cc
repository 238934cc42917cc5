#include "watchword/gate/caller.h"

#include "grpcpp/server_context.h"
#include "watchword/gate/admission.h"
#include "watchword/gate/gate.h"
#include "watchword/gate/peer_certificate.h"

namespace watchword {

absl::StatusOr<Caller> Caller::From(const grpc::ServerContextBase& context, const Gate& gate) {
  auto verified =
      gate.admission_->Authenticate(AuthorizationOf(context), [&context] { return PeerCertificateOf(context); });
  if (!verified.ok()) return verified.status();
  return Caller(*std::move(verified));
}

}  // namespace watchword
