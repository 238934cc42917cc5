#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/domain/throttle_rules.h"
#include "server/store_mysql/mysql_store.h"
#include "watchword/base/log.h"
#include "watchword/token/jwk.h"

namespace watchword {

// Where gRPC listens: "HOST:PORT" ("[::1]:7070" for IPv6) or "unix:PATH".
struct ListenAddress {
  std::string text;
  bool is_unix_socket = false;
};

// Where the operations port listens. `host` is without brackets.
struct HostPort {
  std::string host;
  int port = 0;
};

// Everything that can be set, checked. A plain value.
struct Config {
  std::vector<ListenAddress> listen;   // at least one
  std::optional<HostPort> ops_listen;  // nothing: no operations port
  std::string data_dir;
  std::string sqlite_path;            // of the embedded store, unless `mysql` is set
  std::optional<MysqlOptions> mysql;  // the shared store
  bool migrate_at_start = false;      // brings its schema up to date
  std::string key_file;               // the key-encryption key

  std::string issuer;
  Algorithm signing_algorithm = Algorithm::kEs256;
  absl::Duration key_rotation_period;  // absl::InfiniteDuration(): never
  absl::Duration key_publication_time;
  absl::Duration key_acknowledgement_timeout;  // at least key_publication_time
  absl::Duration access_token_ttl;
  absl::Duration session_idle_timeout;
  absl::Duration session_lifetime;
  absl::Duration refresh_grace;
  std::vector<std::string> default_audiences;  // at least one

  std::optional<std::string> bootstrap_admin;  // a canonical user name
  std::optional<std::string> bootstrap_admin_password_file;

  // TLS if `tls_cert` is not empty; then `tls_key` is not empty either.
  std::string tls_cert, tls_key, tls_client_ca;

  size_t password_min_length = 0;  // in characters
  ThrottleLimits throttle_limits;
  uint32_t hash_memory_kib = 0;
  uint32_t hash_passes = 0;
  size_t hash_threads = 0, hash_queue = 0;
  uint32_t hash_budget_kib = 0;  // at least hash_memory_kib
  absl::Duration hash_max_wait;
  size_t store_threads = 0, store_queue = 0;

  Severity log_level = Severity::kInfo;
  std::string audit_log;              // a file; empty: among the lines of the log
  int anonymous_rate = 0;             // calls without a valid credential, per second
  int anonymous_connection_rate = 0;  // the same, for each connection
  int max_connections = 0;
  int max_connections_per_address = 0;
  absl::Duration drain_delay;
  absl::Duration drain_timeout;
  absl::Duration max_connection_age;  // absl::InfiniteDuration(): connections may stay for ever
};

// What the command line asked for: a configuration to run with, or only a text to be printed.
struct ParsedConfig {
  Config config;
  bool migrate = false;              // only bring the schema of the store up to date
  std::optional<std::string> print;  // --help, --version, --print-config: print this to standard output and exit 0
};

using Variables = std::map<std::string, std::string>;

// The variables of this process.
Variables ProcessVariables();

// Reads the settings from the command line (`arguments`: without the program's name), WATCHWORD_* variables and the
// file that --config names, in this order of precedence, and checks them all. The file is a list of `name = value` in
// TOML.
//
// INVALID_ARGUMENT with one line (which setting, its value and where it came from, what to do) if a name is unknown, in
// any of the three, or a value is wrong, or something required for security is missing. No setting holds a secret, only
// names of files do, so that --print-config may show everything; its text can be read back with --config.
absl::StatusOr<ParsedConfig> ParseConfig(const std::vector<std::string>& arguments, const Variables& environment);

}  // namespace watchword
