#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/base/log.h"
#include "watchword/gate/bearer.h"
#include "watchword/gate/certificate_binding.h"
#include "watchword/gate/gate.h"
#include "watchword/policy/method_rules.h"
#include "watchword/trust/checker.h"
#include "watchword/trust/trust_state.h"

namespace watchword {

// Decides whether a call may go on to its handler: the method's rule, the credential, its scopes. Knows nothing of how
// gRPC is told, so that the decision can be read and tested in one piece.
//
// Thread-safe.
class Admission {
 public:
  // INVALID_ARGUMENT, saying what to set, if an option is missing or out of range. Borrows the logger and the clock.
  static absl::StatusOr<std::shared_ptr<Admission>> Create(const Gate::Options& options,
                                                           std::shared_ptr<const TrustState> trust);

  // Whether the call of the method `path` is let through: OK, or an error as in Gate's comment. Nothing is read of the
  // credential if the method is anonymous.
  absl::Status Admit(absl::string_view path, const AuthorizationEntries& authorization,
                     PeerCertificate peer_certificate);

  // The credential of a call, whatever the method: UNAUTHENTICATED or UNAVAILABLE as in Gate's comment.
  absl::StatusOr<std::shared_ptr<const VerifiedCredential>> Authenticate(const AuthorizationEntries& authorization,
                                                                         PeerCertificate peer_certificate);

  Logger& log() const { return log_; }

 private:
  Admission(TokenVerifier verifier, const Gate::Options& options, std::shared_ptr<const TrustState> trust);

  absl::Status Decide(absl::string_view path, const AuthorizationEntries& authorization,
                      PeerCertificate peer_certificate);

  const std::shared_ptr<const TrustState> trust_;
  CredentialChecker checker_;
  const MethodRules rules_ = MethodRules::FromLinkedServices();
  Logger& log_;
};

}  // namespace watchword
