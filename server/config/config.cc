#include "server/config/config.h"

#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/config/mysql_url.h"
#include "server/config/settings.h"
#include "server/config/values.h"
#include "server/domain/names.h"
#include "watchword/base/file.h"
#include "watchword/base/secret.h"

namespace watchword {
namespace {

constexpr size_t kMaxPemSize = 1 << 20;
constexpr size_t kMaxSocketPath = 107;  // sockaddr_un, less the NUL
constexpr absl::Duration kMaxTokenTtl = absl::Hours(1);
constexpr absl::Duration kMaxSessionLifetime = absl::Hours(24 * 366);
constexpr int64_t kMaxThreads = 256;
constexpr int64_t kMaxQueue = 100'000;
constexpr int64_t kMostFreeFailures = 1'000'000;
// A server that has just started reads the keys before it tells the others that it is there: seconds later both know.
constexpr absl::Duration kLeastPublicationTime = absl::Seconds(5);
constexpr int64_t kMaxRate = 1'000'000;
constexpr int64_t kMaxConnections = 1'000'000;
constexpr uint64_t kLeastHashBudgetKib = 256 * 1024;
constexpr uint32_t kMaxHashBudgetGib = 1024;

// Turns the texts into values. Remembers the first error and goes on, so that each check is one line.
class Checker {
 public:
  explicit Checker(SettingValues& values) : values_(values) {}

  const absl::Status& status() const { return status_; }

  // The texts of a setting; empty if it is not set.
  const std::vector<std::string>& Texts(const std::string& name) const { return values_.at(name).texts; }
  std::string Text(const std::string& name) const { return Texts(name).empty() ? "" : Texts(name).front(); }

  void SetDefault(const std::string& name, const std::string& text) {
    if (Text(name).empty()) values_.at(name) = {{text}, "default"};
  }

  void Fail(absl::string_view line) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(line);
  }
  // Says which setting, its value and where that came from; `what` says what would be right.
  void FailAt(const std::string& name, absl::string_view text, absl::string_view what) {
    const std::string& source = values_.at(name).source;
    const std::string flag = absl::StrCat("--", name);
    Fail(absl::StrCat(flag, " \"", text, "\"", source == flag ? "" : absl::StrCat(" (from ", source, ")"), ": ", what));
  }

  template <typename T>
  T Take(const std::string& name, absl::StatusOr<T> parsed) {
    if (parsed.ok()) return *std::move(parsed);
    FailAt(name, Text(name), parsed.status().message());
    return T();
  }
  absl::Duration Time(const std::string& name, absl::Duration least, absl::Duration most) {
    return Take(name, ParseDurationSetting(Text(name), least, most));
  }
  int64_t Number(const std::string& name, int64_t least, int64_t most) {
    return Take(name, ParseNumberSetting(Text(name), least, most));
  }
  bool Switch(const std::string& name) { return Take(name, ParseSwitchSetting(Text(name))); }
  size_t Count(const std::string& name, int64_t most) { return static_cast<size_t>(Number(name, 1, most)); }

  void Require(const std::string& name, absl::string_view example) {
    if (Text(name).empty()) Fail(absl::StrCat("--", name, " is missing: set it, as in --", name, " ", example));
  }

 private:
  SettingValues& values_;
  absl::Status status_;
};

// The defaults that follow from other settings.
void SetDerivedDefaults(Checker& check) {
  check.Require("data-dir", "/var/lib/watchword");
  check.Require("issuer", "https://watchword.example.com");
  std::string folder(absl::StripSuffix(check.Text("data-dir"), "/"));
  check.SetDefault("store", absl::StrCat("sqlite:", folder, "/watchword.db"));
  check.SetDefault("key-file", absl::StrCat(folder, "/key-encryption-key"));
  check.SetDefault("default-audience", check.Text("issuer"));
  check.SetDefault("store-threads", absl::StartsWith(check.Text("store"), "mysql:") ? "16" : "4");
  const auto processors = static_cast<int64_t>(std::thread::hardware_concurrency());
  check.SetDefault("hash-threads", absl::StrCat(std::clamp<int64_t>(processors, 1, kMaxThreads)));
}

void CheckMysql(Checker& check, Config& config) {
  MysqlOptions options = check.Take("store", ParseMysqlUrl(check.Text("store")));
  options.password_file = check.Text("store-password-file");
  options.tls_ca = check.Text("store-tls-ca");
  options.allow_plaintext = check.Switch("allow-store-plaintext");
  options.allow_lossy_commits = check.Switch("allow-lossy-store");
  config.migrate_at_start = check.Switch("migrate-at-start");
  if (options.socket.empty() && options.tls_ca.empty() && !options.allow_plaintext) {
    check.FailAt("store", check.Text("store"),
                 "needs TLS: set --store-tls-ca to the certificates that sign the servers' (or, if something else "
                 "protects the way, --allow-store-plaintext)");
  }
  if (!options.tls_ca.empty() && options.allow_plaintext) {
    check.FailAt("store-tls-ca", options.tls_ca, "and --allow-store-plaintext contradict each other: remove one");
  }
  config.mysql = std::move(options);
}

void CheckPlaces(Checker& check, Config& config) {
  config.data_dir = check.Text("data-dir");
  config.key_file = check.Text("key-file");
  const std::string store = check.Text("store");
  if (absl::StartsWith(store, "mysql:")) return CheckMysql(check, config);
  absl::string_view path = store;
  if (!absl::ConsumePrefix(&path, "sqlite:") || path.empty()) {
    check.FailAt("store", store, "must be sqlite:PATH or mysql://USER@HOST/DATABASE");
  }
  config.sqlite_path = std::string(path);
  for (const std::string name : {"store-password-file", "store-tls-ca"}) {
    if (!check.Text(name).empty()) check.FailAt(name, check.Text(name), "is for MySQL only: set --store, or remove it");
  }
  for (const std::string name : {"allow-store-plaintext", "allow-lossy-store", "migrate-at-start"}) {
    if (check.Switch(name)) check.FailAt(name, "true", "is for MySQL only: set --store, or remove it");
  }
}

void CheckTokens(Checker& check, Config& config) {
  config.issuer = check.Text("issuer");
  if (auto issuer = CheckIssuer(config.issuer); !issuer.ok()) check.FailAt("issuer", config.issuer, issuer.message());
  const std::string wanted = check.Text("signing-algorithm");
  bool known = false;
  for (const Algorithm algorithm : {Algorithm::kEs256, Algorithm::kEdDsa, Algorithm::kRs256}) {
    if (AlgorithmName(algorithm) != wanted) continue;
    config.signing_algorithm = algorithm;
    known = true;
  }
  if (!known) check.FailAt("signing-algorithm", wanted, "must be ES256, EdDSA or RS256");
  config.default_audiences = check.Texts("default-audience");
  for (const std::string& audience : config.default_audiences) {
    if (auto good = CheckAudience(audience); !good.ok()) check.FailAt("default-audience", audience, good.message());
  }
}

void CheckKeyTimes(Checker& check, Config& config) {
  config.key_rotation_period = check.Time("key-rotation-period", absl::ZeroDuration(), absl::Hours(8760));
  if (config.key_rotation_period == absl::ZeroDuration()) {
    config.key_rotation_period = absl::InfiniteDuration();
  } else if (config.key_rotation_period < absl::Seconds(1)) {
    check.FailAt("key-rotation-period", check.Text("key-rotation-period"), "must be 0s (never) or from 1s to 8760h");
  }
  config.key_publication_time = check.Time("key-publication-time", kLeastPublicationTime, absl::Hours(168));
  config.key_acknowledgement_timeout =
      check.Time("key-acknowledgement-timeout", absl::ZeroDuration(), absl::Hours(720));
  if (config.key_acknowledgement_timeout < config.key_publication_time) {
    check.FailAt("key-acknowledgement-timeout", check.Text("key-acknowledgement-timeout"),
                 absl::StrCat("must not be less than --key-publication-time, ", check.Text("key-publication-time")));
  }
}

void CheckTimes(Checker& check, Config& config) {
  config.access_token_ttl = check.Time("access-token-ttl", absl::Seconds(1), kMaxTokenTtl);
  config.session_lifetime = check.Time("session-lifetime", absl::Seconds(1), kMaxSessionLifetime);
  config.session_idle_timeout = check.Time("session-idle-timeout", absl::Seconds(1), kMaxSessionLifetime);
  if (config.session_idle_timeout > config.session_lifetime) {
    check.FailAt("session-idle-timeout", check.Text("session-idle-timeout"),
                 absl::StrCat("must not be longer than --session-lifetime, ", check.Text("session-lifetime")));
  }
  config.refresh_grace = check.Time("refresh-grace", absl::ZeroDuration(), absl::Seconds(60));
  config.drain_delay = check.Time("drain-delay", absl::ZeroDuration(), absl::Minutes(5));
  config.drain_timeout = check.Time("drain-timeout", absl::ZeroDuration(), absl::Minutes(10));
  config.max_connection_age = check.Time("max-connection-age", absl::ZeroDuration(), absl::Hours(24));
  if (config.max_connection_age == absl::ZeroDuration()) {
    config.max_connection_age = absl::InfiniteDuration();
  } else if (config.max_connection_age < absl::Seconds(1)) {
    check.FailAt("max-connection-age", check.Text("max-connection-age"), "must be 0s (never) or from 1s to 24h");
  }
}

void CheckFirstAdministrator(Checker& check, Config& config) {
  const std::string name = check.Text("bootstrap-admin");
  const std::string file = check.Text("bootstrap-admin-password-file");
  if (!name.empty()) {
    auto canonical = CanonicalUsername(name);
    if (canonical.ok()) {
      config.bootstrap_admin = *std::move(canonical);
    } else {
      check.FailAt("bootstrap-admin", name, canonical.status().message());
    }
  }
  if (file.empty()) return;
  if (name.empty()) check.FailAt("bootstrap-admin-password-file", file, "whose password? set --bootstrap-admin too");
  config.bootstrap_admin_password_file = file;
}

void CheckTls(Checker& check, Config& config) {
  config.tls_cert = check.Text("tls-cert");
  config.tls_key = check.Text("tls-key");
  config.tls_client_ca = check.Text("tls-client-ca");
  if (config.tls_cert.empty() && !config.tls_key.empty()) {
    check.FailAt("tls-key", config.tls_key, "needs its certificate: set --tls-cert too");
  }
  if (!config.tls_cert.empty() && config.tls_key.empty()) {
    check.FailAt("tls-cert", config.tls_cert, "needs its private key: set --tls-key too");
  }
  if (!config.tls_client_ca.empty() && config.tls_cert.empty()) {
    check.FailAt("tls-client-ca", config.tls_client_ca, "needs TLS: set --tls-cert and --tls-key too");
  }
  for (const std::string name : {"tls-cert", "tls-key", "tls-client-ca"}) {
    const std::string path = check.Text(name);
    if (path.empty()) continue;
    auto pem = ReadFile(path, kMaxPemSize);
    if (!pem.ok()) check.FailAt(name, path, pem.status().message());
    if (pem.ok()) Secret::Wipe(*pem);
  }
}

// `may_be_remote`: whether other machines may reach it.
void CheckListenAddress(Checker& check, const std::string& text, bool may_be_remote, Config& config) {
  absl::string_view path = text;
  if (absl::ConsumePrefix(&path, "unix:")) {
    if (path.empty() || path.size() > kMaxSocketPath) {
      check.FailAt("listen", text, "must be unix:PATH with a path of 1 to 107 characters");
    }
    config.listen.push_back({text, /*is_unix_socket=*/true});
    return;
  }
  const auto address = ParseHostPort(text);
  if (!address.ok()) {
    check.FailAt("listen", text, absl::StrCat(address.status().message(), ", or unix:PATH"));
  } else if (!may_be_remote && !IsLoopback(address->host)) {
    check.FailAt("listen", text,
                 "without TLS only loopback addresses and Unix sockets are allowed: set --tls-cert and --tls-key, or "
                 "--allow-plaintext if a mesh or proxy protects this port");
  }
  config.listen.push_back({text, /*is_unix_socket=*/false});
}

void CheckAddresses(Checker& check, Config& config) {
  const bool allow_plaintext = check.Switch("allow-plaintext");
  const bool may_be_remote = allow_plaintext || !config.tls_cert.empty();
  for (const std::string& text : check.Texts("listen")) CheckListenAddress(check, text, may_be_remote, config);
  if (config.listen.empty()) check.Fail("--listen is empty: set at least one address, as in --listen 127.0.0.1:7070");
  const std::string ops = check.Text("ops-listen");
  if (ops != "off") config.ops_listen = check.Take("ops-listen", ParseHostPort(ops));
}

void CheckResources(Checker& check, Config& config) {
  config.password_min_length = static_cast<size_t>(check.Number("password-min-length", 8, 128));
  config.throttle_limits.account_free_failures = check.Number("account-free-failures", 1, kMostAccountFailures);
  config.throttle_limits.source_free_failures = check.Number("source-free-failures", 0, kMostFreeFailures);
  config.hash_memory_kib = check.Take("hash-memory", ParseMemorySetting(check.Text("hash-memory")));
  config.hash_passes = static_cast<uint32_t>(check.Number("hash-passes", 1, 64));
  config.hash_threads = check.Count("hash-threads", kMaxThreads);
  config.hash_queue = check.Count("hash-queue", kMaxQueue);
  config.hash_max_wait = check.Time("hash-max-wait", absl::Milliseconds(10), absl::Minutes(1));
  // More than the least, so that the hashes of other systems, which may take more, can be imported.
  const uint64_t for_all = uint64_t{config.hash_memory_kib} * config.hash_threads;
  check.SetDefault("hash-budget", absl::StrCat(std::max<uint64_t>(kLeastHashBudgetKib, for_all), "KiB"));
  config.hash_budget_kib = check.Take("hash-budget", ParseMemorySetting(check.Text("hash-budget"), kMaxHashBudgetGib));
  if (config.hash_budget_kib < config.hash_memory_kib) {
    check.FailAt("hash-budget", check.Text("hash-budget"),
                 absl::StrCat("must not be less than --hash-memory, ", check.Text("hash-memory")));
  }
  config.store_threads = check.Count("store-threads", kMaxThreads);
  // One for each thread that uses the store: the executor's, and those that follow the log and the keys, tell the other
  // servers, and keep house. So nobody waits for one.
  if (config.mysql.has_value()) config.mysql->connections = config.store_threads + 4;
  config.store_queue = check.Count("store-queue", kMaxQueue);
  config.anonymous_rate = static_cast<int>(check.Number("anonymous-rate", 1, kMaxRate));
  config.anonymous_connection_rate = static_cast<int>(check.Number("anonymous-connection-rate", 1, kMaxRate));
  config.max_connections = static_cast<int>(check.Number("max-connections", 1, kMaxConnections));
  config.max_connections_per_address =
      static_cast<int>(check.Number("max-connections-per-address", 1, kMaxConnections));
}

void CheckLog(Checker& check, Config& config) {
  config.audit_log = check.Text("audit-log");
  const std::string level = check.Text("log-level");
  for (const Severity severity : {Severity::kDebug, Severity::kInfo, Severity::kWarning, Severity::kError}) {
    if (SeverityName(severity) != level) continue;
    config.log_level = severity;
    return;
  }
  check.FailAt("log-level", level, "must be debug, info, warning or error");
}

absl::StatusOr<Config> CheckAll(SettingValues& values) {
  Checker check(values);
  SetDerivedDefaults(check);
  Config config;
  CheckPlaces(check, config);
  CheckTokens(check, config);
  CheckKeyTimes(check, config);
  CheckTimes(check, config);
  CheckFirstAdministrator(check, config);
  CheckTls(check, config);
  CheckAddresses(check, config);
  CheckResources(check, config);
  CheckLog(check, config);
  if (!check.status().ok()) return check.status();
  return config;
}

}  // namespace

Variables ProcessVariables() {
  Variables environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const absl::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals == absl::string_view::npos) continue;
    environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

absl::StatusOr<ParsedConfig> ParseConfig(const std::vector<std::string>& arguments, const Variables& environment) {
  auto gathered = GatherSettings(arguments, environment);
  if (!gathered.ok()) return gathered.status();
  ParsedConfig parsed;
  parsed.print = gathered->print;
  if (parsed.print.has_value()) return parsed;
  auto config = CheckAll(gathered->values);
  if (!config.ok()) return config.status();
  parsed.config = *std::move(config);
  parsed.migrate = gathered->migrate;
  if (parsed.migrate && !parsed.config.mysql.has_value()) {
    return absl::InvalidArgumentError("migrate is for MySQL only: set --store (the embedded store migrates itself)");
  }
  if (gathered->print_config) parsed.print = FormatSettings(gathered->values);
  return parsed;
}

}  // namespace watchword
