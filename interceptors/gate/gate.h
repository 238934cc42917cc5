#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "watchword/base/clock.h"
#include "watchword/base/log.h"
#include "watchword/base/mutex.h"
#include "watchword/credentials/token_source.h"
#include "watchword/gate/anonymous_budget.h"
#include "watchword/gate/connections.h"
#include "watchword/gate/gate_metrics.h"
#include "watchword/gate/port_security.h"
#include "watchword/policy/method_rules.h"
#include "watchword/trust/trust_state.h"

namespace grpc {
class Channel;
class ChannelCredentials;
class ChannelInterface;
class ServerBuilder;
namespace experimental {
class ServerInterceptorFactoryInterface;
}  // namespace experimental
}  // namespace grpc

namespace watchword {

class Admission;
class CertificateSource;
class FeedClient;
class SessionDirectory;
class StreamGuard;
class ValidateSource;

// Refuses calls before a handler sees them: every call that reaches a server through a port of this gate carries a
// valid credential with the scopes that the method's rule asks for, or the rule lets it through without. Works for
// sync, callback, async and generic services alike. A streaming call ends with CANCELLED when it would not be let in
// any more; VerifierService.Renew gives it a newer credential.
//
//   auto gate = watchword::Gate::Create({.issuer = …, .audiences = {"orders"}, .auth_service = …});
//   (*gate)->AddListeningPort(builder, address, watchword::PortSecurity::Plaintext());
//
// A refused call gets, and its handler never runs:
// - UNAUTHENTICATED: TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED or TOKEN_REVOKED;
// - PERMISSION_DENIED: INSUFFICIENT_SCOPE;
// - UNAVAILABLE: TRUST_UNAVAILABLE, TRUST_STALE;
// - RESOURCE_EXHAUSTED: LOOKUP_LIMITED, RATE_LIMITED.
//
// Thread-safe. Must outlive every server that has a port of it.
class Gate {
 public:
  struct Options {
    // The issuer whose tokens are accepted: the auth service's --issuer. Required.
    std::string issuer;
    // The names this service answers to; a token must be for one of them. Required.
    std::vector<std::string> audiences;
    // Where the trust feed comes from. Required for Create.
    std::shared_ptr<grpc::ChannelInterface> auth_service;
    // What the gate shows to the auth service: the credential of an account with the scope `watchword.verifier`. Null
    // if the channel itself carries one.
    std::shared_ptr<TokenSource> token_source;
    // Whether it may be sent without TLS: on loopback, or where a mesh protects the way.
    bool allow_plaintext_tokens = false;
    // What this verifier is called in the auth service's logs, up to 255 visible ASCII characters; the first audience
    // if empty.
    std::string name;
    // Whether session tokens are accepted, too. The auth service is asked about each one once, when it is first seen.
    bool accept_session_tokens = true;
    // How far clocks may differ, 0 to 120 s.
    absl::Duration leeway = absl::Seconds(30);
    // The longest lifetime of a token to accept.
    absl::Duration max_lifetime = absl::Hours(1);
    // A file in which to keep the keys and the revocations in force, so that the service can start while the auth
    // service is away: ready, and stale until that is heard. Its folder must be there. Empty: none.
    std::string snapshot_file;
    // The thumbprints (RFC 7638) of the only keys to take from that file; empty: the file's permissions alone protect
    // it.
    std::vector<std::string> snapshot_pins;
    // How many verified credentials to remember.
    size_t cache_capacity = 65'536;
    // Rules by path ("/package.Service/Method"), in place of the option in the .proto: for services whose .proto one
    // cannot change.
    std::vector<std::pair<std::string, MethodRule>> rules;
    // Whether a server with a method that has no rule is not to start; which methods, is in the log.
    bool strict = false;
    // Whether health checks and reflection are anonymous. If not, they are methods without a rule.
    bool open_health_and_reflection = true;
    // How many calls of anonymous methods may come without a valid credential: on each connection, and in all. Above
    // that they are refused. Health checks and reflection have a budget of their own, of the same size.
    AnonymousBudget::Limits anonymous_calls_on_connection = {.calls_per_second = 1'000, .burst = 500};
    AnonymousBudget::Limits anonymous_calls = {.calls_per_second = 4'000, .burst = 2'000};
    // How many connections there may be to the gate's ports: from each address (of IPv6, each /64) and in all. More are
    // closed at once. All that come through Unix sockets count as from one address. In all, there are no more than
    // three quarters of the files that the process may have open (RLIMIT_NOFILE).
    Connections::Limits connections = {.from_one_address = 256, .in_all = 16'384};
    // Without a sign of life from the auth service for longer than this, what is known counts as stale: a revocation
    // may be missing. There is one every second.
    absl::Duration staleness_bound = absl::Seconds(5);
    // What happens then to calls of methods whose rules do not say.
    WhenStale when_stale = WhenStale::kAcceptUntilExpiry;
    // Told when a port has taken up other TLS files: which, and the SHA-256 of the server's certificate in hexadecimal.
    // Called on threads of the server, which it must not hold up. Null: the log says it anyway.
    std::function<void(const std::string& certificate_file, const std::string& sha256)> on_certificate_replaced;
    // Where log lines go. Borrowed: must outlive the gate.
    Logger* log = &StderrLogger();
    // Borrowed likewise. CreateOn takes that of the trust state.
    const Clock* clock = &SystemClock();
  };

  // A gate that learns whom to trust from the auth service. Returns at once; until the first keys have arrived, calls
  // are refused with TRUST_UNAVAILABLE. INVALID_ARGUMENT, saying what to set, if an option is missing or out of range.
  static absl::StatusOr<std::unique_ptr<Gate>> Create(Options options);

  // A gate on a trust state that somebody else fills, such as the auth service itself. Borrows `trust`, which must
  // outlive the gate.
  static absl::StatusOr<std::unique_ptr<Gate>> CreateOn(const TrustState& trust, Options options);

  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Opens a port of the server that `builder` builds, in place of grpc::ServerBuilder::AddListeningPort: through it
  // come only calls that this gate lets in. May be called for several ports. `selected_port`, if given, is set as
  // there. The server does not start, and says why in the log, if a file cannot be read, the address of a Unix socket
  // does not begin with "unix:", a method lacks a rule (Options::strict), or a rule's audience is none of this gate's.
  // A connection may have 1,000 streams open at once and 10 s for its handshake, and is asked for a sign of life every
  // minute; a channel argument that is added to the builder after this wins.
  void AddListeningPort(grpc::ServerBuilder& builder, const std::string& address, PortSecurity security,
                        int* selected_port = nullptr);

  // Sets the server's own interceptors, in place of grpc::ServerBuilder's experimental().SetInterceptorCreators, whose
  // list the gate needs: what is set there is lost.
  void SetInterceptorCreators(
      grpc::ServerBuilder& builder,
      std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> creators);

  // Waits until the gate knows whom to trust; false if that takes longer than `timeout`. For start-up and readiness.
  bool WaitUntilReady(absl::Duration timeout);

  GateMetrics metrics() const;

 private:
  friend class Caller;
  // What session tokens are looked up with.
  struct Sessions {
    std::unique_ptr<ValidateSource> source;
    std::unique_ptr<SessionDirectory> directory;
  };
  static Sessions MakeSessions(const Options& options, const TrustState& trust);
  Gate(Sessions sessions, std::shared_ptr<Admission> admission, std::shared_ptr<const TrustState> trust,
       const Options& options);

  Sessions sessions_;                           // none on somebody else's trust state
  const std::shared_ptr<Admission> admission_;  // shared with the servers' credentials
  const std::shared_ptr<StreamGuard> streams_;  // shared with the servers' interceptors
  const std::vector<std::string> audiences_;
  const bool strict_;
  const std::function<void(const std::string&, const std::string&)> on_certificate_replaced_;
  const std::shared_ptr<const TrustState> trust_;
  std::unique_ptr<FeedClient> feed_;                // null on somebody else's trust state
  const std::shared_ptr<Connections> connections_;  // shared with the ports
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<CertificateSource>> certificates_ ABSL_GUARDED_BY(mutex_);  // shared with the ports
};

// A channel for Gate::Options::auth_service. As grpc::CreateChannel, but it comes back within seconds when the auth
// service does or when the network silently drops its packets; gRPC's own settings can take minutes.
std::shared_ptr<grpc::Channel> ConnectToAuthService(const std::string& address,
                                                    const std::shared_ptr<grpc::ChannelCredentials>& credentials);

}  // namespace watchword
