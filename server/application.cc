#include "server/application.h"

#include <algorithm>
#include <atomic>
#include <climits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/json_util.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "server/crypto/password_hasher.h"
#include "server/ops/file_limit.h"
#include "server/ops/json_audit_log.h"
#include "server/ops/memory_keeper.h"
#include "server/ops/metrics.h"
#include "server/ops/ops_server.h"
#include "server/service/accounts.h"
#include "server/service/bootstrap.h"
#include "server/service/change_password.h"
#include "server/service/environment.h"
#include "server/service/feed.h"
#include "server/service/janitor.h"
#include "server/service/key_ring.h"
#include "server/service/key_rotation.h"
#include "server/service/login.h"
#include "server/service/login_throttle.h"
#include "server/service/logout.h"
#include "server/service/refresh.h"
#include "server/service/session_cache.h"
#include "server/service/sessions.h"
#include "server/service/validate.h"
#include "server/service/verifier_exchange.h"
#include "server/service/verifiers.h"
#include "server/store_mysql/mysql_store.h"
#include "server/store_sqlite/sqlite_store.h"
#include "server/transport/admin_handlers.h"
#include "server/transport/auth_handlers.h"
#include "server/transport/convert.h"
#include "server/transport/health_reporter.h"
#include "server/transport/trust_handlers.h"
#include "version/version.h"
#include "watchword/base/file.h"
#include "watchword/base/reason.h"
#include "watchword/base/resident_memory.h"
#include "watchword/gate/caller.h"
#include "watchword/gate/gate.h"
#include "watchword/gate/tls_files.h"

namespace watchword {
namespace {

constexpr size_t kSessionCacheCapacity = 100'000;
constexpr absl::Duration kStorePause = absl::Seconds(1);

std::vector<std::string> ServiceNames() {
  return {v1::AuthService::service_full_name(), v1::AdminService::service_full_name(),
          v1::TrustService::service_full_name()};
}

std::vector<std::string> MethodNames() {
  std::vector<std::string> names;
  for (const std::string& service : ServiceNames()) {
    const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(service);
    for (int i = 0; i < descriptor->method_count(); ++i) {
      names.push_back(absl::StrCat("/", service, "/", descriptor->method(i)->name()));
    }
  }
  return names;
}

Settings SettingsFrom(const Config& config) {
  return {.issuer = config.issuer,
          .default_audiences = config.default_audiences,
          .access_token_ttl = config.access_token_ttl,
          .session_idle_timeout = config.session_idle_timeout,
          .session_lifetime = config.session_lifetime,
          .refresh_grace = config.refresh_grace,
          .password_min_characters = config.password_min_length,
          .throttle_limits = config.throttle_limits};
}

std::string JwksJson(const KeyRing& keys) {
  v1::GetJwksResponse set;
  for (const Jwk& jwk : keys.public_jwks()) *set.add_keys() = ToProto(jwk);
  std::string json;
  return google::protobuf::util::MessageToJsonString(set, &json).ok() ? json : "{}";
}

PortSecurity SecurityOf(const ListenAddress& address, const Config& config) {
  if (address.is_unix_socket) return PortSecurity::UnixSocket();
  if (config.tls_cert.empty()) return PortSecurity::Plaintext();
  return PortSecurity::Tls(config.tls_cert, config.tls_key, config.tls_client_ca);
}

absl::StatusOr<std::unique_ptr<Store>> Open(const Config& config, const Clock& clock, RandomSource& random,
                                            Logger& log) {
  if (!config.mysql.has_value()) return OpenSqliteStore(config.sqlite_path, random);
  if (config.migrate_at_start) {
    if (auto status = MigrateMysql(*config.mysql, clock, random); !status.ok()) return status;
  }
  return OpenMysqlStore(*config.mysql, clock, random, log);
}

// What all passwords that are hashed at once take.
size_t HashingBytes(const Config& config) {
  return std::min<size_t>(config.hash_budget_kib, config.hash_threads * config.hash_memory_kib) * 1024;
}

AnonymousBudget::Limits BudgetOf(int calls_per_second) {
  return {.calls_per_second = calls_per_second, .burst = std::max(1, calls_per_second / 2)};
}

void Tune(const Config& config, grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 30'000);
  if (config.max_connection_age < absl::InfiniteDuration()) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                               static_cast<int>(absl::ToInt64Milliseconds(config.max_connection_age)));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 30'000);
  }
}

}  // namespace

// In the order in which they depend on each other: what is used comes before what uses it, and goes after it.
struct Application::Parts {
  Parts(const Config& its_config, JsonLogger& its_log, const Wait& its_wait)
      : config(its_config), log(its_log), wait(its_wait), settings(SettingsFrom(config)) {}

  absl::Status OpenStore();
  absl::Status OpenSecrets();
  absl::Status StartServices();
  absl::Status Listen();
  absl::Status StartOperationsPort();
  void AddMetrics();
  void AddStoreMetrics();

  const Config config;
  JsonLogger& log;
  const Wait& wait;  // used while starting
  const Settings settings;
  const Clock& clock = SystemClock();
  RandomSource& random = SystemRandom();
  Metrics metrics{MethodNames()};
  DurationHistogram hash_times;
  MemoryKeeper memory;
  std::unique_ptr<JsonAuditLog> audit;
  std::unique_ptr<Store> store;
  std::unique_ptr<KeyRing> keys;
  std::optional<PasswordHasher> hasher;
  std::optional<LoginThrottle> throttle;
  TrustState trust{clock};
  std::unique_ptr<Executor> store_executor;
  std::unique_ptr<Executor> hash_executor;
  std::unique_ptr<Feed> feed;
  std::optional<Verifiers> verifiers;
  std::unique_ptr<VerifierExchange> exchange;
  std::optional<Environment> environment;
  std::optional<KeyRotation> rotation;
  std::optional<SessionCache> session_cache;
  std::optional<LoginCommand> login;
  std::optional<RefreshCommand> refresh;
  std::optional<ValidateQuery> validate;
  std::optional<LogoutCommand> logout;
  std::optional<ChangePasswordCommand> change_password;
  std::optional<Accounts> accounts;
  std::optional<Sessions> sessions;
  std::optional<AuthHandlers> auth_handlers;
  std::optional<AdminHandlers> admin_handlers;
  std::optional<TrustHandlers> trust_handlers;
  std::optional<Janitor> janitor;
  std::unique_ptr<Gate> gate;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<HealthReporter> health;
  std::atomic<bool> started = false;  // all of the above is there
  std::unique_ptr<OpsServer> ops;
};

absl::Status Application::Parts::OpenStore() {
  if (auto status = MakePrivateFolder(config.data_dir); !status.ok()) return status;
  auto audit_log = JsonAuditLog::Open({.file = config.audit_log});
  if (!audit_log.ok()) return audit_log.status();
  audit = *std::move(audit_log);
  absl::StatusOr<std::unique_ptr<Store>> opened = Open(config, clock, random, log);
  // Only for a store that is reached over a network is being away nothing unusual.
  for (bool told = false; config.mysql.has_value() && absl::IsUnavailable(opened.status());) {
    if (!told) log.Error("waiting for the store", {{"error", std::string(opened.status().message())}});
    told = true;
    if (!wait(kStorePause)) return absl::CancelledError("asked to end before the store could be reached");
    opened = Open(config, clock, random, log);
  }
  if (!opened.ok()) return opened.status();
  store = *std::move(opened);
  return absl::OkStatus();
}

absl::Status Application::Parts::OpenSecrets() {
  absl::StatusOr<std::unique_ptr<KeyRing>> ring = KeyRing::Open(
      store->keys(),
      {.key_file = config.key_file, .algorithm = config.signing_algorithm, .shared = config.mysql.has_value()}, clock,
      random);
  if (!ring.ok()) return ring.status();
  keys = *std::move(ring);
  if (keys->sealed_anew() > 0) {
    log.Info("sealed keys anew under the first key of the key file", {{"count", absl::StrCat(keys->sealed_anew())}});
  }

  absl::StatusOr<PasswordHasher> made =
      PasswordHasher::Create({.memory_kib = config.hash_memory_kib, .passes = config.hash_passes}, random,
                             size_t{config.hash_budget_kib} * 1024);
  if (!made.ok()) return made.status();
  hasher.emplace(*std::move(made));
  if (!config.bootstrap_admin.has_value()) return absl::OkStatus();
  return EnsureAdministrator({.username = *config.bootstrap_admin,
                              .password_file = config.bootstrap_admin_password_file,
                              .generated_password_file = absl::StrCat(config.data_dir, "/bootstrap-admin-password"),
                              .password_min_characters = config.password_min_length,
                              .issuer = config.issuer},
                             store->users(), *hasher, clock, random, log);
}

absl::Status Application::Parts::StartServices() {
  store_executor = std::make_unique<Executor>(
      Executor::Options{.name = "store", .threads = config.store_threads, .queue_capacity = config.store_queue});
  // Hashing takes all the processor it is given: it yields to everything else.
  hash_executor = std::make_unique<Executor>(
      Executor::Options{.name = "hash",
                        .threads = config.hash_threads,
                        .queue_capacity = config.hash_queue,
                        .nice = 10,
                        .budget = size_t{config.hash_budget_kib} * 1024,
                        .max_wait = config.hash_max_wait,
                        .observe = [this](absl::Duration took) { hash_times.Record(took); }});
  feed = std::make_unique<Feed>(store->revocations(), trust, clock, random, log);
  if (auto status = feed->Start(); !status.ok()) return status;

  throttle.emplace(store->login_attempts(), keys->session_binding_key(), settings.throttle_limits, clock, log);
  absl::StatusOr<Uuid> replica = Uuid::NewV7(clock.Now(), random);
  if (!replica.ok()) return replica.status();
  Replicas* const replicas = store->replicas();
  verifiers.emplace(*feed, clock, settings.access_token_ttl, replicas != nullptr);
  if (replicas != nullptr) {
    exchange =
        std::make_unique<VerifierExchange>(*replicas, *replica, *verifiers, clock, settings.access_token_ttl, log);
  }
  environment.emplace(Environment{.settings = settings,
                                  .store = *store,
                                  .store_executor = *store_executor,
                                  .hash_executor = *hash_executor,
                                  .hasher = *hasher,
                                  .keys = *keys,
                                  .throttle = *throttle,
                                  .trust = trust,
                                  .feed = *feed,
                                  .verifiers = *verifiers,
                                  .clock = clock,
                                  .random = random,
                                  .replica = *replica,
                                  .log = log});
  rotation.emplace(*environment, *keys, *audit,
                   KeySchedule{.rotation_period = config.key_rotation_period,
                               .publication_time = config.key_publication_time,
                               .acknowledgement_timeout = config.key_acknowledgement_timeout});
  rotation->Start();
  session_cache.emplace(kSessionCacheCapacity, settings.session_idle_timeout);
  login.emplace(*environment);
  refresh.emplace(*environment);
  validate.emplace(*environment, *session_cache);
  logout.emplace(*environment);
  change_password.emplace(*environment, *validate);
  accounts.emplace(*environment);
  sessions.emplace(*environment);
  const RpcTools tools{.clock = clock,
                       .log = log,
                       .observe =
                           [this](absl::string_view method, const absl::Status& status, absl::Duration duration) {
                             metrics.RecordRpc(method, status.code(), ReasonOf(status), duration);
                           },
                       .audit = *audit,
                       .caller =
                           [this](const grpc::ServerContextBase& context) {
                             const auto caller = Caller::From(context, *gate);
                             return caller.ok() ? RpcCaller{caller->subject(), caller->session_id()} : RpcCaller();
                           }};
  auth_handlers.emplace(*login, *refresh, *validate, *logout, *change_password, tools);
  admin_handlers.emplace(*environment, *accounts, *sessions, *rotation, tools);
  trust_handlers.emplace(*environment, tools);
  janitor.emplace(*environment, *session_cache);
  return absl::OkStatus();
}

absl::Status Application::Parts::Listen() {
  if (!config.tls_cert.empty()) {
    // The gate would say so in the log only.
    const auto files = ReadTlsFiles(config.tls_cert, config.tls_key, config.tls_client_ca);
    if (!files.ok()) return files.status();
  }
  absl::StatusOr<std::unique_ptr<Gate>> made =
      Gate::CreateOn(trust, {.issuer = config.issuer,
                             .audiences = {config.issuer},
                             .anonymous_calls_on_connection = BudgetOf(config.anonymous_connection_rate),
                             .anonymous_calls = BudgetOf(config.anonymous_rate),
                             .connections = {.from_one_address = config.max_connections_per_address,
                                             .in_all = config.max_connections,
                                             .growth = Connections::Limits().growth + HashingBytes(config)},
                             .on_certificate_replaced =
                                 [this](const std::string& file, const std::string& sha256) {
                                   audit->Record({.type = kAuditCertificateChanged,
                                                  .target = {.detail = absl::StrCat(file, " sha256 ", sha256)}});
                                 },
                             .log = &log});
  if (!made.ok()) return made.status();
  gate = *std::move(made);

  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  // Links the descriptor in, so that reflection can describe health checks (grpc/grpc#36665).
  grpc::health::v1::HealthCheckRequest::descriptor();
  grpc::ServerBuilder builder;
  Tune(config, builder);
  std::vector<int> ports(config.listen.size(), 0);
  for (size_t i = 0; i < config.listen.size(); ++i) {
    gate->AddListeningPort(builder, config.listen[i].text, SecurityOf(config.listen[i], config), &ports[i]);
  }
  builder.RegisterService(&*auth_handlers);
  builder.RegisterService(&*admin_handlers);
  builder.RegisterService(&*trust_handlers);
  server = builder.BuildAndStart();
  for (size_t i = 0; i < ports.size(); ++i) {
    if (server == nullptr || ports[i] == 0) {
      return absl::UnavailableError(absl::StrCat("cannot listen on ", config.listen[i].text,
                                                 ": is the address in use, or not of this machine? (--listen)"));
    }
    log.Info("listening", {{"address", config.listen[i].text}, {"port", absl::StrCat(ports[i])}});
  }
  health =
      std::make_unique<HealthReporter>(*store, *store_executor, *server->GetHealthCheckService(), ServiceNames(), log);
  return absl::OkStatus();
}

absl::Status Application::Parts::StartOperationsPort() {
  if (!config.ops_listen.has_value()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<OpsServer>> opened = OpsServer::Start(
      {.host = config.ops_listen->host,
       .port = config.ops_listen->port,
       .issuer = config.issuer,
       .metrics = [this] { return metrics.Render() + (started ? ToPrometheusText(gate->metrics()) : std::string()); },
       .readiness = [this] { return started ? health->readiness() : absl::UnavailableError("starting"); },
       .jwks = [this] { return started ? JwksJson(*keys) : std::string(); }});
  if (!opened.ok()) return opened.status();
  ops = *std::move(opened);
  log.Info("operations port listening", {{"address", config.ops_listen->host}, {"port", absl::StrCat(ops->port())}});
  return absl::OkStatus();
}

void Application::Parts::AddStoreMetrics() {
  if (const StoreStatistics* statistics = store->statistics(); statistics != nullptr) {
    metrics.AddHistograms("watchword_store_duration_seconds",
                          "How long the store took, waiting for a connection and trying again included", "operation",
                          {{"read", &statistics->reads}, {"write", &statistics->writes}});
  }
  if (!store->pool().has_value()) return;
  metrics.AddGauges("watchword_store_pool_connections", "Open connections to the database, by what they do", [this] {
    const PoolState pool = *store->pool();
    return std::vector<Metrics::Sample>{{{{"state", "idle"}}, static_cast<double>(pool.idle)},
                                        {{{"state", "used"}}, static_cast<double>(pool.open - pool.idle)}};
  });
  metrics.AddGauge("watchword_store_pool_waiting", "Store calls that wait for a connection",
                   [this] { return static_cast<double>(store->pool()->waiting); });
}

void Application::Parts::AddMetrics() {
  metrics.AddGauge("process_resident_memory_bytes", "What the process has in memory",
                   [] { return static_cast<double>(ResidentBytes()); });
  metrics.AddGauge("process_open_fds", "Files and connections that the process has open",
                   [] { return static_cast<double>(OpenFiles()); });
  metrics.AddGauge("process_max_fds", "How many it may have open", [] { return static_cast<double>(MaxOpenFiles()); });
  metrics.AddGauge("watchword_hash_queue_length", "Logins that wait for their password to be hashed",
                   [this] { return static_cast<double>(hash_executor->queued()); });
  metrics.AddGauge("watchword_hash_seconds", "How long a password takes to be hashed lately, on average",
                   [this] { return absl::ToDoubleSeconds(hash_executor->average()); });
  metrics.AddCounter("watchword_logins_locked_total", "Logins that were not answered because the account was blocked",
                     [this] { return static_cast<double>(throttle->refused_for_account()); });
  metrics.AddCounter("watchword_logins_throttled_total", "Logins that were refused because of where they came from",
                     [this] { return static_cast<double>(throttle->refused_for_source()); });
  metrics.AddHistograms("watchword_hash_duration_seconds", "How long passwords took to be hashed", "",
                        {{"", &hash_times}});
  metrics.AddGauges("watchword_build_info", "The release that runs, always 1", [] {
    return std::vector<Metrics::Sample>{{{{"version", kVersionNumber}, {"commit", kCommit}}, 1}};
  });
  metrics.AddGauge("watchword_time_seconds", "The server's clock, in Unix time",
                   [this] { return static_cast<double>(absl::ToUnixMillis(clock.Now())) / 1e3; });
  AddStoreMetrics();
  const auto add_lag = [this](const char* name, const char* help, double (*value)(const Verifiers::Lag&)) {
    metrics.AddGauges(name, help, [this, value] {
      std::vector<Metrics::Sample> samples;
      for (const auto& [verifier, lag] : verifiers->LagByName(feed->position().head_seq)) {
        samples.push_back({{{"verifier", verifier}}, value(lag)});
      }
      return samples;
    });
  };
  add_lag("watchword_feed_verifier_lag_entries",
          "By service: how many entries of the revocation log its verifier that is furthest behind lacks",
          [](const Verifiers::Lag& lag) { return static_cast<double>(lag.entries); });
  add_lag("watchword_feed_verifier_silence_seconds",
          "By service: how long ago its verifier that has been silent for longest acknowledged a heartbeat",
          [](const Verifiers::Lag& lag) { return absl::ToDoubleSeconds(lag.silent_for); });
  metrics.AddGauge("watchword_store_queue_length", "Store calls that wait for a thread",
                   [this] { return static_cast<double>(store_executor->queued()); });
  metrics.AddGauge("watchword_feed_verifiers", "Verifiers on the trust feed of this server",
                   [this] { return static_cast<double>(verifiers->OwnTally().live); });
  metrics.AddGauge("watchword_feed_verifiers_lost",
                   "Verifiers whose feed ended within the lifetime of an access token and that have not come back",
                   [this] { return static_cast<double>(verifiers->OwnTally().lost); });
  metrics.AddGauge("watchword_feed_lag_entries",
                   "How many entries of the revocation log the verifier that is furthest behind has not acknowledged",
                   [this] {
                     const uint64_t head = feed->position().head_seq;
                     return static_cast<double>(head - std::min(head, verifiers->LeastAcknowledged()));
                   });
  metrics.AddGauge("watchword_revocation_log_head_seq",
                   "The last entry of the revocation log that this server has read",
                   [this] { return static_cast<double>(feed->position().head_seq); });
  metrics.AddCounter("watchword_log_lines_dropped_total", "Log lines lost because nobody read them in time",
                     [this] { return static_cast<double>(log.dropped()); });
  metrics.AddCounter("watchword_audit_events_total", "Security events recorded",
                     [this] { return static_cast<double>(audit->recorded()); });
  metrics.AddCounter("watchword_audit_events_lost_total", "Security events that could not be written",
                     [this] { return static_cast<double>(audit->lost()); });
  metrics.AddGauge("watchword_signing_key_age_seconds", "How long the active signing key has been active",
                   [this] { return absl::ToDoubleSeconds(clock.Now() - keys->active_record().changed_at); });
  const auto add_keys = [this](const char* name, const char* help, SigningKeyState state) {
    metrics.AddGauge(name, help, [this, state] {
      const std::vector<SigningKeyRecord> records = keys->records();
      return static_cast<double>(std::count_if(records.begin(), records.end(),
                                               [state](const SigningKeyRecord& key) { return key.state == state; }));
    });
  };
  add_keys("watchword_signing_keys_published", "Signing keys that are public and wait to become active",
           SigningKeyState::kPublished);
  add_keys("watchword_signing_keys_active", "Signing keys that sign: one", SigningKeyState::kActive);
  add_keys("watchword_signing_keys_retired", "Signing keys whose tokens may still be alive", SigningKeyState::kRetired);
  metrics.AddGauge("watchword_revocations_in_force", "Revocations held in memory",
                   [this] { return static_cast<double>(trust.revocations().size()); });
}

absl::StatusOr<std::unique_ptr<Application>> Application::Start(const Config& config, JsonLogger& log,
                                                                const Wait& wait) {
  auto parts = std::make_unique<Parts>(config, log, wait);
  // The operations port comes first, so that a start that takes long is not taken for one that hangs.
  for (const auto step :
       {&Parts::StartOperationsPort, &Parts::OpenStore, &Parts::OpenSecrets, &Parts::StartServices, &Parts::Listen}) {
    if (auto status = ((*parts).*step)(); !status.ok()) {
      Application unfinished(std::move(parts));  // takes down what was built
      return status;
    }
  }
  parts->AddMetrics();
  parts->started = true;
  return std::unique_ptr<Application>(new Application(std::move(parts)));
}

absl::Status Application::Migrate(const Config& config) {
  return MigrateMysql(*config.mysql, SystemClock(), SystemRandom());
}

Application::Application(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Application::~Application() {
  Parts& parts = *parts_;
  if (parts.health != nullptr) parts.health->Drain();
  if (parts.feed != nullptr) parts.feed->Stop();  // ends the feeds, which would use up the time for the rest
  if (parts.server != nullptr) {
    parts.server->Shutdown(absl::ToChronoTime(absl::Now() + parts.config.drain_timeout));
    parts.server->Wait();
  }
  if (parts.ops != nullptr) parts.ops->Stop();
  // In this order: a login goes from the hash executor to the store executor.
  parts.health.reset();
  if (parts.hash_executor != nullptr) parts.hash_executor->Stop();
  if (parts.store_executor != nullptr) parts.store_executor->Stop();
}

void Application::AnnounceEnd() {
  parts_->log.Info("stopping");
  parts_->health->Drain();
  absl::SleepFor(parts_->config.drain_delay);
}

}  // namespace watchword
