#include "watchword/gate/admission.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "watchword/base/reason.h"
#include "watchword/base/source_address.h"
#include "watchword/gate/connection_breaker.h"
#include "watchword/token/reasons.h"

namespace watchword {
namespace {

// Calls of anonymous methods under way on a connection. Each may hold 23 KB while it is flooded.
constexpr int kMostOpenCalls = 250;

absl::StatusOr<MethodRules> RulesOf(const Gate::Options& options) {
  MethodRules rules = MethodRules::FromLinkedServices();
  if (!options.open_health_and_reflection) rules.CloseHealthAndReflection();
  for (const auto& [path, rule] : options.rules) {
    if (auto status = rules.Set(path, rule); !status.ok()) return status;
  }
  return rules;
}

// The credential, which has to be there.
absl::StatusOr<absl::string_view> BearerIn(const AuthorizationEntries& authorization) {
  const auto bearer = authorization.Bearer();
  if (!bearer.ok()) return bearer.status();
  if (bearer->has_value()) return **bearer;
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenMissing, "the call has no authorization entry");
}

absl::Status InsufficientScope(std::string message) {
  return ErrorWithReason(absl::StatusCode::kPermissionDenied, kInsufficientScope, message);
}

}  // namespace

absl::StatusOr<std::shared_ptr<Admission>> Admission::Create(const Gate::Options& options,
                                                             std::shared_ptr<const TrustState> trust,
                                                             SessionDirectory* sessions) {
  if (options.log == nullptr || options.clock == nullptr) return absl::InvalidArgumentError("log, clock: must be set");
  if (options.staleness_bound <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("staleness_bound: must be more than 0");
  }
  auto verifier = TokenVerifier::Create({.issuer = options.issuer,
                                         .audiences = options.audiences,
                                         .leeway = options.leeway,
                                         .max_lifetime = options.max_lifetime});
  if (!verifier.ok()) return verifier.status();
  if (options.connections.from_one_address <= 0 || options.connections.in_all <= 0) {
    return absl::InvalidArgumentError("connections: must be more than 0");
  }
  for (const auto& limits : {options.anonymous_calls_on_connection, options.anonymous_calls}) {
    if (limits.calls_per_second > 0 && limits.burst > 0) continue;
    return absl::InvalidArgumentError("anonymous_calls, anonymous_calls_on_connection: must be more than 0");
  }
  auto rules = RulesOf(options);
  if (!rules.ok()) return rules.status();
  return std::shared_ptr<Admission>(
      new Admission(*std::move(verifier), *std::move(rules), options, std::move(trust), sessions));
}

Admission::Admission(TokenVerifier verifier, MethodRules rules, const Gate::Options& options,
                     std::shared_ptr<const TrustState> trust, SessionDirectory* sessions)
    : trust_(std::move(trust)),
      checker_(std::move(verifier), *trust_, trust_->credential_clock(), options.cache_capacity, sessions),
      rules_(std::move(rules)),
      anonymous_(options.anonymous_calls_on_connection, options.anonymous_calls, *options.clock),
      open_calls_(kMostOpenCalls, *options.clock),
      anonymous_library_(options.anonymous_calls_on_connection, options.anonymous_calls, *options.clock),
      staleness_bound_(options.staleness_bound),
      when_stale_(options.when_stale),
      log_(*options.log) {}

absl::Status Admission::Recheck(absl::string_view path, const VerifiedCredential& credential) const {
  if (auto status = checker_.Recheck(credential); !status.ok()) return status;
  return CheckNotStale(rules_.Find(path));
}

std::optional<absl::Status> Admission::Admit(absl::string_view path, const AuthorizationEntries& authorization,
                                             PeerCertificate peer_certificate, const void* connection) {
  std::optional<absl::Status> status = Decide(path, authorization, peer_certificate, connection);
  if (status.has_value()) Count(path, *status);
  return status;
}

void Admission::AdmitLater(std::string path, const std::string& credential, std::string peer_certificate,
                           absl::AnyInvocable<void(const absl::Status&)> done) {
  checker_.LookUp(credential, [this, path = std::move(path), peer_certificate = std::move(peer_certificate),
                               done = std::move(done)](const CredentialChecker::Verdict& verified) mutable {
    const MethodRule& rule = rules_.Find(path);
    absl::Status status = verified.status();
    if (status.ok()) {
      status = CheckCertificateBinding((*verified)->claims(), [&peer_certificate] { return peer_certificate; });
    }
    if (status.ok()) status = CheckRule(rule, **verified);
    if (status.ok()) status = CheckNotStale(rule);
    Count(path, status);
    done(status);
  });
}

void Admission::BreakIfHarmful(const void* connection, const std::string& peer) {
  if (!open_calls_.TakeHarmful(connection) || !BreakConnection(peer)) return;
  open_calls_.Forget(connection);
  broken_connections_.Add();
  if (when_broken_) when_broken_(SourceOfPeer(peer));
  log_.Warning("a connection that brought far more calls without a credential than it may was broken off",
               {{"peer", peer}});
}

void Admission::Count(absl::string_view path, const absl::Status& status) {
  if (status.ok()) return admitted_.Add();
  const std::string reason = ReasonOf(status);
  const auto* const known = std::find(kReasons.begin(), kReasons.end(), reason);
  if (known != kReasons.end()) refused_[static_cast<size_t>(known - kReasons.begin())].Add();
  // Not above debug: whoever reaches the port can cause one for each call.
  log_.Debug("call refused", {{"method", std::string(path)}, {"reason", reason}});
}

void Admission::FillLoad(Connections::Load& load) const {
  for (size_t i = 0; i < kReasons.size(); ++i) {
    // Not what says more of the service than of the call.
    if (kReasons[i] == kInsufficientScope || kReasons[i] == kTrustUnavailable || kReasons[i] == kTrustStale) continue;
    const uint64_t count = refused_[i].Value();
    load.refused += count;
    if (kReasons[i] == kTokenMissing || kReasons[i] == kRateLimited) load.refused_without_credential += count;
  }
}

void Admission::FillMetrics(GateMetrics& metrics) const {
  metrics.admitted = admitted_.Value();
  for (size_t i = 0; i < kReasons.size(); ++i) metrics.refused[std::string(kReasons[i])] = refused_[i].Value();
  metrics.broken_connections = broken_connections_.Value();
  metrics.cache_hits = checker_.cache_hits();
  metrics.cache_misses = checker_.cache_misses();
}

std::optional<absl::Status> Admission::Decide(absl::string_view path, const AuthorizationEntries& authorization,
                                              PeerCertificate peer_certificate, const void* connection) {
  if (path.empty()) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenInvalid, "the call names no method");
  }
  const MethodRule& rule = rules_.Find(path);
  if (rule.allow_anonymous) return AdmitAnonymous(rule, authorization, peer_certificate, connection);
  const auto bearer = BearerIn(authorization);
  if (!bearer.ok()) return bearer.status();
  const auto verified = checker_.CheckNow(*bearer);
  if (!verified.has_value()) return std::nullopt;
  if (!verified->ok()) return verified->status();
  if (auto status = CheckCertificateBinding((**verified)->claims(), peer_certificate); !status.ok()) return status;
  if (auto status = CheckRule(rule, ***verified); !status.ok()) return status;
  return CheckNotStale(rule);
}

// A valid credential costs nothing of the budget, so that those who have one are not held up by those who do not.
absl::Status Admission::AdmitAnonymous(const MethodRule& rule, const AuthorizationEntries& authorization,
                                       PeerCertificate peer_certificate, const void* connection) {
  const bool is_known = HasValidCredential(authorization, peer_certificate);
  absl::Status status;
  if (!is_known) status = (rule.origin == RuleOrigin::kLibrary ? anonymous_library_ : anonymous_).Take(connection);
  if (status.ok() && !open_calls_.Begin(connection) && !is_known) {
    status = ErrorWithReason(absl::StatusCode::kResourceExhausted, kRateLimited,
                             "too many calls on this connection are not over yet; try again in a second");
  }
  if (!status.ok() && open_calls_.NoteRefusal(connection)) return absl::OkStatus();  // so that BreakIfHarmful sees it
  return status;
}

bool Admission::HasValidCredential(const AuthorizationEntries& authorization, PeerCertificate peer_certificate) {
  const auto bearer = authorization.Bearer();
  if (!bearer.ok() || !bearer->has_value()) return false;
  const auto verified = checker_.CheckNow(**bearer);
  return verified.has_value() && verified->ok() &&
         CheckCertificateBinding((**verified)->claims(), peer_certificate).ok();
}

absl::StatusOr<std::shared_ptr<const VerifiedCredential>> Admission::Authenticate(
    const AuthorizationEntries& authorization, PeerCertificate peer_certificate) {
  const auto bearer = BearerIn(authorization);
  if (!bearer.ok()) return bearer.status();
  auto verified = checker_.Check(*bearer);
  if (!verified.ok()) return verified;
  if (auto status = CheckCertificateBinding((*verified)->claims(), peer_certificate); !status.ok()) return status;
  return verified;
}

absl::Status Admission::CheckRule(const MethodRule& rule, const VerifiedCredential& credential) {
  const Claims& claims = credential.claims();
  if (!rule.audience.empty() &&
      std::find(claims.audiences.begin(), claims.audiences.end(), rule.audience) == claims.audiences.end()) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenInvalid,
                           absl::StrCat("for another audience than ", rule.audience));
  }
  if (rule.require_bound && claims.certificate_sha256.empty()) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenInvalid,
                           "the credential must be bound to the client certificate");
  }
  const auto has = [&credential](const std::string& scope) { return credential.HasScope(scope); };
  for (const std::string& scope : rule.require_scopes) {
    if (!has(scope)) return InsufficientScope(absl::StrCat("the credential lacks the scope ", scope));
  }
  if (!rule.require_any_scope.empty() &&
      std::none_of(rule.require_any_scope.begin(), rule.require_any_scope.end(), has)) {
    return InsufficientScope(
        absl::StrCat("the credential has none of the scopes ", absl::StrJoin(rule.require_any_scope, ", ")));
  }
  return absl::OkStatus();
}

absl::Status Admission::CheckNotStale(const MethodRule& rule) const {
  if (rule.when_stale.value_or(when_stale_) == WhenStale::kAcceptUntilExpiry) return absl::OkStatus();
  if (trust_->staleness() <= staleness_bound_) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kUnavailable, kTrustStale,
                         "the auth service has not been heard for too long; try again");
}

}  // namespace watchword
