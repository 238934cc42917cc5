#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/base/log.h"
#include "watchword/base/sharded_counter.h"
#include "watchword/gate/anonymous_budget.h"
#include "watchword/gate/bearer.h"
#include "watchword/gate/certificate_binding.h"
#include "watchword/gate/gate.h"
#include "watchword/gate/open_calls.h"
#include "watchword/policy/method_rules.h"
#include "watchword/token/reasons.h"
#include "watchword/trust/checker.h"
#include "watchword/trust/trust_state.h"

namespace watchword {

// How many streams a connection may have open at once.
inline constexpr int kMaxConcurrentStreams = 1'000;

// Decides whether a call may go on to its handler: the method's rule, the credential, its scopes. Knows nothing of how
// gRPC is told, so that the decision can be read and tested in one piece.
//
// Thread-safe.
class Admission {
 public:
  // INVALID_ARGUMENT, saying what to set, if an option is missing or out of range. Borrows the logger, the clock and
  // `sessions`; without the latter, session tokens are refused.
  static absl::StatusOr<std::shared_ptr<Admission>> Create(const Gate::Options& options,
                                                           std::shared_ptr<const TrustState> trust,
                                                           SessionDirectory* sessions);

  // Whether the call of the method `path` is let through: OK, or an error as in Gate's comment. `connection` tells
  // connections apart. std::nullopt: its session token must be looked up first, see AdmitLater.
  std::optional<absl::Status> Admit(absl::string_view path, const AuthorizationEntries& authorization,
                                    PeerCertificate peer_certificate, const void* connection);

  // Looks up the session token of a call for which Admit said std::nullopt, then decides. `done` is called once,
  // perhaps before this returns, perhaps on another thread. `peer_certificate` is the connection's, as PEM.
  void AdmitLater(std::string path, const std::string& credential, std::string peer_certificate,
                  absl::AnyInvocable<void(const absl::Status&)> done);

  // The call of an anonymous method that was let in is over. `connection` as for Admit.
  void EndAnonymous(const void* connection) { open_calls_.End(connection); }

  bool IsHarmful(const void* connection) const { return open_calls_.IsHarmful(connection); }
  // Of such a call, whose connection is to `peer`: breaks the connection if it does nothing but harm.
  void BreakIfHarmful(const void* connection, const std::string& peer);

  // The credential of a call, whatever the method: UNAUTHENTICATED or UNAVAILABLE as in Gate's comment.
  absl::StatusOr<std::shared_ptr<const VerifiedCredential>> Authenticate(const AuthorizationEntries& authorization,
                                                                         PeerCertificate peer_certificate);

  // Whether a good credential meets the rule: OK, or PERMISSION_DENIED (INSUFFICIENT_SCOPE) or UNAUTHENTICATED
  // (TOKEN_INVALID: for another audience, not bound).
  static absl::Status CheckRule(const MethodRule& rule, const VerifiedCredential& credential);

  // Whether a call of the method `path` that was admitted may go on: OK, or UNAUTHENTICATED or UNAVAILABLE as in Gate's
  // comment.
  absl::Status Recheck(absl::string_view path, const VerifiedCredential& credential) const;

  // `noted` is told the source (base/source_address.h) of each connection that is broken off. Before the first call.
  void WhenBroken(std::function<void(const std::string& source)> noted) { when_broken_ = std::move(noted); }

  // Sets how many calls were refused so far.
  void FillLoad(Connections::Load& load) const;

  // Sets the counts of calls and of the cache.
  void FillMetrics(GateMetrics& metrics) const;

  const MethodRules& rules() const { return rules_; }
  const TrustState& trust() const { return *trust_; }
  Logger& log() const { return log_; }

 private:
  // All that a call can be refused for.
  static constexpr std::array<absl::string_view, 9> kReasons = {kTokenMissing, kTokenInvalid,      kTokenExpired,
                                                                kTokenRevoked, kInsufficientScope, kTrustUnavailable,
                                                                kTrustStale,   kLookUpLimited,     kRateLimited};

  Admission(TokenVerifier verifier, MethodRules rules, const Gate::Options& options,
            std::shared_ptr<const TrustState> trust, SessionDirectory* sessions);

  std::optional<absl::Status> Decide(absl::string_view path, const AuthorizationEntries& authorization,
                                     PeerCertificate peer_certificate, const void* connection);
  absl::Status AdmitAnonymous(const MethodRule& rule, const AuthorizationEntries& authorization,
                              PeerCertificate peer_certificate, const void* connection);
  bool HasValidCredential(const AuthorizationEntries& authorization, PeerCertificate peer_certificate);
  void Count(absl::string_view path, const absl::Status& status);
  absl::Status CheckNotStale(const MethodRule& rule) const;

  const std::shared_ptr<const TrustState> trust_;
  CredentialChecker checker_;
  const MethodRules rules_;
  AnonymousBudget anonymous_;
  OpenCalls open_calls_;
  AnonymousBudget anonymous_library_;  // of health checks and reflection: a flood of others must not fail a probe
  const absl::Duration staleness_bound_;
  const WhenStale when_stale_;
  ShardedCounter admitted_;
  ShardedCounter broken_connections_;
  std::function<void(const std::string& source)> when_broken_;
  std::array<ShardedCounter, kReasons.size()> refused_;  // in the order of kReasons
  Logger& log_;
};

}  // namespace watchword
