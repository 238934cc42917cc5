#include "watchword/gate/gate.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "grpcpp/channel.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/support/channel_arguments.h"
#include "watchword/base/resident_memory.h"
#include "watchword/credentials/call_credentials.h"
#include "watchword/gate/acceptor.h"
#include "watchword/gate/admission.h"
#include "watchword/gate/certificate_source.h"
#include "watchword/gate/guarded_credentials.h"
#include "watchword/gate/server_setup.h"
#include "watchword/gate/stream_guard.h"
#include "watchword/trust/feed_client.h"
#include "watchword/trust/session_directory.h"
#include "watchword/trust/validate_source.h"

namespace watchword {
namespace {

constexpr size_t kMaxNameSize = 255;
// How much is read from a connection at once. What is read is taken apart before anything else happens on the thread,
// and gRPC's own 4 MiB hold the headers of 150,000 streams. gRPC 1.51 goes beyond it, up to 64 KiB, when it has once
// read all that had come (docs/security.md).
constexpr int kMaxReadSize = 16 << 10;
constexpr int kHandshakeTimeoutMs = 10'000;  // until a client has sent its preface and settings; gRPC's own is 120 s

// A client that is gone without a word holds a place until then; gRPC's own is two hours.
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;

bool IsVerifierName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxNameSize &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return absl::ascii_isgraph(c); });
}

}  // namespace

absl::StatusOr<std::unique_ptr<Gate>> Gate::Create(Options options) {
  if (options.auth_service == nullptr) {
    return absl::InvalidArgumentError("auth_service: must be a channel to the auth service");
  }
  if (options.clock == nullptr) return absl::InvalidArgumentError("clock: must be set");
  if (options.log == nullptr) return absl::InvalidArgumentError("log: must be set");
  auto trust = std::make_shared<TrustState>(*options.clock);
  Sessions sessions = MakeSessions(options, *trust);
  SessionDirectory* const directory = sessions.directory.get();
  auto admission = Admission::Create(options, trust, directory);
  if (!admission.ok()) return admission.status();
  const std::string& name = options.name.empty() ? options.audiences.front() : options.name;
  if (!IsVerifierName(name)) return absl::InvalidArgumentError("name: must be 1 to 255 visible ASCII characters");
  std::unique_ptr<Gate> gate(new Gate(std::move(sessions), *std::move(admission), trust, options));
  gate->feed_ =
      std::make_unique<FeedClient>(options.auth_service,
                                   FeedClient::Options{.verifier = name,
                                                       .token_source = options.token_source,
                                                       .allow_plaintext_tokens = options.allow_plaintext_tokens,
                                                       .sessions = directory,
                                                       .snapshot_file = options.snapshot_file,
                                                       .issuer = options.issuer,
                                                       .snapshot_pins = options.snapshot_pins},
                                   *trust, *options.log);
  return gate;
}

Gate::Sessions Gate::MakeSessions(const Options& options, const TrustState& trust) {
  Sessions sessions;
  if (!options.accept_session_tokens) return sessions;
  sessions.source = std::make_unique<ValidateSource>(
      options.auth_service, TokenCallCredentials(options.token_source, options.allow_plaintext_tokens), *options.log);
  sessions.directory = std::make_unique<SessionDirectory>(*sessions.source, trust.credential_clock());
  return sessions;
}

absl::StatusOr<std::unique_ptr<Gate>> Gate::CreateOn(const TrustState& trust, Options options) {
  const std::shared_ptr<const TrustState> borrowed(std::shared_ptr<void>(), &trust);
  auto admission = Admission::Create(options, borrowed, /*sessions=*/nullptr);
  if (!admission.ok()) return admission.status();
  return std::unique_ptr<Gate>(new Gate(Sessions(), *std::move(admission), borrowed, options));
}

Gate::Gate(Sessions sessions, std::shared_ptr<Admission> admission, std::shared_ptr<const TrustState> trust,
           const Options& options)
    : sessions_(std::move(sessions)),
      admission_(std::move(admission)),
      streams_(std::make_shared<StreamGuard>(admission_)),
      audiences_(options.audiences),
      strict_(options.strict),
      on_certificate_replaced_(options.on_certificate_replaced),
      trust_(std::move(trust)),
      connections_(std::make_shared<Connections>(
          options.connections,
          [admission = admission_] {
            Connections::Load load{.memory = ResidentBytes()};
            admission->FillLoad(load);
            return load;
          },
          *options.clock)) {
  admission_->WhenBroken([connections = std::weak_ptr<Connections>(connections_)](const std::string& source) {
    if (const auto found = connections.lock()) found->NoteBroken(source);
  });
}

Gate::~Gate() {
  feed_.reset();
  sessions_.source.reset();  // waits for the answers that are still to come, which go to the directory
}

void Gate::AddListeningPort(grpc::ServerBuilder& builder, const std::string& address, PortSecurity security,
                            int* selected_port) {
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxConcurrentStreams);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, kMaxReadSize);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  auto setup = std::make_shared<ServerSetup>();
  setup->admission = admission_;
  setup->streams = streams_;
  setup->audiences = audiences_;
  setup->strict = strict_;
  std::shared_ptr<CertificateSource> certificates;
  if (security.kind == PortSecurity::Kind::kTls) {
    certificates =
        std::make_shared<CertificateSource>(security, admission_->log(), trust_->clock(), on_certificate_replaced_);
    MutexLock lock(mutex_);
    certificates_.push_back(certificates);
  }
  using Builder = grpc::ServerBuilder::experimental_type;
  auto acceptor = std::make_shared<Acceptor>(
      builder.experimental().AddExternalConnectionAcceptor(Builder::ExternalConnectionType::FROM_FD,
                                                           MakeGuardedCredentials(setup, security, certificates)),
      connections_, trust_->clock(), admission_->log());
  builder.AddListeningPort(
      address, MakeListeningCredentials(setup, std::move(security), std::move(certificates), acceptor), selected_port);
  builder.SetOption(MakeServerOption({std::move(setup), std::move(acceptor)}));
}

void Gate::SetInterceptorCreators(
    grpc::ServerBuilder& builder,
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> creators) {
  builder.SetOption(MakeInterceptorOption(std::move(creators)));
}

bool Gate::WaitUntilReady(absl::Duration timeout) {
  return feed_ != nullptr ? feed_->WaitUntilReady(timeout) : trust_->keys_version() != 0;
}

GateMetrics Gate::metrics() const {
  GateMetrics metrics;
  admission_->FillMetrics(metrics);
  if (sessions_.directory != nullptr) metrics.session_look_ups = sessions_.directory->look_ups();
  metrics.connections = connections_->size();
  metrics.broken_connections += connections_->broken();
  metrics.refused_connections = {
      {"TOO_MANY", connections_->refused(Connections::Answer::kTooMany)},
      {"TOO_MANY_FROM_ADDRESS", connections_->refused(Connections::Answer::kTooManyFromAddress)},
      {"LEFT", connections_->refused(Connections::Answer::kLeft)},
      {"FLOOD", connections_->refused(Connections::Answer::kFlood)},
      {"BROKEN", connections_->refused(Connections::Answer::kBroken)}};
  metrics.open_streams = streams_->open();
  metrics.ended_streams = streams_->ended();
  metrics.revocations = trust_->revocations().size();
  metrics.applied_seq = trust_->applied_seq();
  metrics.head_seq = trust_->head_seq();
  metrics.staleness = trust_->staleness();
  MutexLock lock(mutex_);
  for (const auto& source : certificates_) {
    const auto material = source->Current();
    if (material != nullptr)
      metrics.certificate_expires_at = std::min(metrics.certificate_expires_at, material->expires_at);
    metrics.certificate_failures += source->failures();
  }
  return metrics;
}

std::shared_ptr<grpc::Channel> ConnectToAuthService(const std::string& address,
                                                    const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  // The default waits up to two minutes between attempts; the feed client has a random pause of its own.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  // The default of 30 s is longer than it takes to replace every server that the name had.
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1'000);
  // With keepalive on, gRPC also sets TCP_USER_TIMEOUT to its time-out: a dead connection is given up when what a new
  // stream sends is not acknowledged for that long. Pings are for connections that a proxy keeps alive for a dead
  // server: none is sent while the feed's heartbeats come.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

}  // namespace watchword
