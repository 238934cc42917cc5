#include "watchword/gate/admission.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "watchword/base/reason.h"
#include "watchword/token/reasons.h"

namespace watchword {

absl::StatusOr<std::shared_ptr<Admission>> Admission::Create(const Gate::Options& options,
                                                             std::shared_ptr<const TrustState> trust) {
  if (options.log == nullptr || options.clock == nullptr) return absl::InvalidArgumentError("log, clock: must be set");
  auto verifier = TokenVerifier::Create({.issuer = options.issuer,
                                         .audiences = options.audiences,
                                         .leeway = options.leeway,
                                         .max_lifetime = options.max_lifetime});
  if (!verifier.ok()) return verifier.status();
  return std::shared_ptr<Admission>(new Admission(*std::move(verifier), options, std::move(trust)));
}

Admission::Admission(TokenVerifier verifier, const Gate::Options& options, std::shared_ptr<const TrustState> trust)
    : trust_(std::move(trust)),
      checker_(std::move(verifier), *trust_, *options.clock, options.cache_capacity),
      log_(*options.log) {}

absl::Status Admission::Admit(absl::string_view path, const AuthorizationEntries& authorization,
                              PeerCertificate peer_certificate) {
  absl::Status status = Decide(path, authorization, peer_certificate);
  // Not above debug: whoever reaches the port can cause one for each call.
  if (!status.ok()) log_.Debug("call refused", {{"method", std::string(path)}, {"reason", ReasonOf(status)}});
  return status;
}

absl::Status Admission::Decide(absl::string_view path, const AuthorizationEntries& authorization,
                               PeerCertificate peer_certificate) {
  if (path.empty()) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenInvalid, "the call names no method");
  }
  const MethodRule& rule = rules_.Find(path);
  if (rule.allow_anonymous) return absl::OkStatus();
  const auto verified = Authenticate(authorization, peer_certificate);
  if (!verified.ok()) return verified.status();
  for (const std::string& scope : rule.require_scopes) {
    if ((*verified)->HasScope(scope)) continue;
    return ErrorWithReason(absl::StatusCode::kPermissionDenied, kInsufficientScope,
                           absl::StrCat("the credential lacks the scope ", scope));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const VerifiedCredential>> Admission::Authenticate(
    const AuthorizationEntries& authorization, PeerCertificate peer_certificate) {
  const auto bearer = authorization.Bearer();
  if (!bearer.ok()) return bearer.status();
  if (!bearer->has_value()) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenMissing, "the call has no authorization entry");
  }
  auto verified = checker_.Check(**bearer);
  if (!verified.ok()) return verified;
  if (auto status = CheckCertificateBinding((*verified)->claims(), peer_certificate); !status.ok()) return status;
  return verified;
}

}  // namespace watchword
