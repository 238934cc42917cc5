#include "server/store_mysql/connection.h"

#include <cppconn/datatype.h>
#include <cppconn/driver.h>
#include <cppconn/exception.h>
#include <cppconn/statement.h>
#include <mysql_driver.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/store_mysql/mysql_status.h"
#include "watchword/base/file.h"

namespace watchword::mysql {
namespace {

constexpr int kConnectTimeoutSeconds = 2;
constexpr int kReadTimeoutSeconds = 5;  // the server gives up before: see kSession
constexpr size_t kMaxPasswordFile = 4096;

// Waits end before the client's do, so that a slow statement is an answer, not a lost connection. The comments are
// executed by the one and skipped by the other server.
constexpr char kSession[] =
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', "
    "time_zone = '+00:00', autocommit = 1";
constexpr char kShortWaits[] =
    "SET SESSION innodb_lock_wait_timeout = 2"
    " /*M!100101 , max_statement_time = 4 */ /*!80000 , max_execution_time = 4000 */";
// A migration rebuilds tables and waits for whoever else migrates.
constexpr int kMigrateTimeoutSeconds = 3600;

// libmariadb has state for each thread.
class DriverThread {
 public:
  DriverThread() { sql::mysql::get_driver_instance()->threadInit(); }
  ~DriverThread() { sql::mysql::get_driver_instance()->threadEnd(); }
};

absl::Status CannotUse(const std::string& where, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat("cannot use the database at ", where, ": ", why));
}

std::string Where(const MysqlOptions& options, size_t host) {
  if (!options.socket.empty()) return options.socket;
  return absl::StrCat(options.hosts[host].name, ":", options.hosts[host].port);
}

absl::StatusOr<std::string> Password(const MysqlOptions& options) {
  if (options.password_file.empty()) return std::string();
  auto contents = ReadSecretFile(options.password_file, kMaxPasswordFile);
  if (!contents.ok()) return contents.status();
  return std::string(absl::StripSuffix(absl::StripSuffix(*contents, "\n"), "\r"));
}

// The connector ignores options that it does not know without a word: these are the ones that it does. Whether they had
// an effect is checked on the open connection.
sql::ConnectOptionsMap ConnectorOptions(const MysqlOptions& options, size_t host, Purpose purpose,
                                        const std::string& password) {
  sql::ConnectOptionsMap map;
  map["userName"] = sql::SQLString(options.user);
  map["password"] = sql::SQLString(password);
  map["schema"] = sql::SQLString(options.database);
  map["OPT_CHARSET_NAME"] = sql::SQLString("utf8mb4");
  map["OPT_CONNECT_TIMEOUT"] = kConnectTimeoutSeconds;
  map["OPT_READ_TIMEOUT"] = purpose == Purpose::kMigrate ? kMigrateTimeoutSeconds : kReadTimeoutSeconds;
  map["OPT_WRITE_TIMEOUT"] = kReadTimeoutSeconds;
  map["OPT_RECONNECT"] = false;  // it would lose session settings, locks and transactions without a word
  map["OPT_LOCAL_INFILE"] = 0;
  if (!options.socket.empty()) {
    map["hostName"] = sql::SQLString("unix://" + options.socket);
    return map;
  }
  const MysqlOptions::Host& at = options.hosts[host];
  map["hostName"] = sql::SQLString(absl::StrCat("tcp://", at.name));
  map["port"] = at.port;
  if (options.allow_plaintext) return map;
  map["sslEnforce"] = true;
  map["sslCA"] = sql::SQLString(options.tls_ca);
  map["sslVerify"] = true;  // the chain and the name
  return map;
}

bool IsOff(const std::optional<std::string>& value) {
  return value.has_value() && (*value == "0" || absl::EqualsIgnoreCase(*value, "OFF"));
}

// What correctness rests on and an option or a proxy may have left out.
absl::Status CheckSession(Connection& connection, const MysqlOptions& options, const std::string& where,
                          Purpose purpose) {
  if (options.socket.empty() && !options.allow_plaintext) {
    if (connection.Value("SHOW SESSION STATUS LIKE 'Ssl_cipher'", 2).value_or("").empty()) {
      return CannotUse(where, "the connection has no TLS; set it up at the server, or --allow-store-plaintext");
    }
  }
  if (connection.Value("SELECT @@character_set_client") != "utf8mb4" ||
      connection.Value("SELECT @@character_set_connection") != "utf8mb4") {
    return CannotUse(where, "it does not accept the character set utf8mb4 (character_set_client)");
  }
  if (!absl::StrContains(connection.Value("SELECT @@sql_mode").value_or(""), "STRICT_ALL_TABLES")) {
    return CannotUse(where, "it does not accept a strict sql_mode");
  }
  if (purpose == Purpose::kUse && !IsOff(connection.Value("SELECT @@global.read_only"))) {
    return absl::UnavailableError(absl::StrCat("the database at ", where,
                                               " takes no writes (read_only): it is not the "
                                               "primary"));
  }
  return absl::OkStatus();
}

// Whether trying again may help with an error while connecting.
bool IsPassing(int error) {
  switch (error) {
    case 1044:  // ER_DBACCESS_DENIED_ERROR
    case 1045:  // ER_ACCESS_DENIED_ERROR
    case 1049:  // ER_BAD_DB_ERROR
    case 1251:  // ER_NOT_SUPPORTED_AUTH_MODE
    case 1698:  // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
    case 2026:  // CR_SSL_CONNECTION_ERROR: certificates, too
    case 2058:
    case 2059:  // CR_AUTH_PLUGIN_…
      return false;
    default:
      return true;
  }
}

}  // namespace

void EnterDriver() { static thread_local const DriverThread driver_thread; }

Connection::Connection(std::unique_ptr<sql::Connection> connection) : connection_(std::move(connection)) {}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const MysqlOptions& options, size_t host,
                                                             Purpose purpose) {
  EnterDriver();
  const std::string where = Where(options, host);
  absl::StatusOr<std::string> password = Password(options);
  if (!password.ok()) return CannotUse(where, password.status().message());
  sql::ConnectOptionsMap map = ConnectorOptions(options, host, purpose, *password);
  std::unique_ptr<sql::Connection> raw;
  try {
    raw.reset(sql::mysql::get_driver_instance()->connect(map));
  } catch (const sql::SQLException& e) {
    const std::string why = absl::StrCat(e.what(), " (error ", e.getErrorCode(), ")");
    if (!IsPassing(e.getErrorCode())) return CannotUse(where, why);
    return absl::UnavailableError(absl::StrCat("cannot reach the database at ", where, ": ", why));
  }
  std::unique_ptr<Connection> connection(new Connection(std::move(raw)));
  const absl::Status status = CatchMysql([&]() -> absl::Status {
    connection->Execute(kSession);
    if (purpose == Purpose::kUse) connection->Execute(kShortWaits);
    connection->Execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    return CheckSession(*connection, options, where, purpose);
  });
  if (!status.ok()) return status;
  return connection;
}

sql::PreparedStatement& Connection::Prepared(Sql sql) {
  auto& statement = statements_[static_cast<size_t>(sql)];
  if (statement == nullptr) statement.reset(connection_->prepareStatement(TextOf(sql)));
  return *statement;
}

sql::PreparedStatement& Connection::Prepared(RowsSql sql, size_t count) {
  auto& statement = for_rows_[static_cast<size_t>(sql)].at(count);
  if (statement == nullptr) statement.reset(connection_->prepareStatement(TextOf(sql, count)));
  return *statement;
}

void Connection::Execute(const std::string& text) {
  const std::unique_ptr<sql::Statement> statement(connection_->createStatement());
  statement->execute(text);
}

std::optional<std::string> Connection::Value(const std::string& text, uint32_t column) {
  const std::unique_ptr<sql::Statement> statement(connection_->createStatement());
  const std::unique_ptr<sql::ResultSet> result(statement->executeQuery(text));
  if (!result->next() || result->isNull(column)) return std::nullopt;
  return std::string(result->getString(column));
}

bool Connection::Answers() {
  try {
    return connection_->isValid();
  } catch (const sql::SQLException&) {
    return false;
  }
}

Query& Query::BindInt(int64_t value) {
  statement_.setInt64(++parameter_, value);
  return *this;
}

Query& Query::BindBytes(absl::string_view value) {
  statement_.setString(++parameter_, sql::SQLString(value.data(), value.size()));
  return *this;
}

Query& Query::BindNull() {
  statement_.setNull(++parameter_, sql::DataType::BINARY);
  return *this;
}

Query& Query::BindList(const std::vector<std::string>& value) { return BindBytes(absl::StrJoin(value, " ")); }

size_t Query::Run() { return static_cast<size_t>(std::max(statement_.executeUpdate(), 0)); }

bool Query::Next() {
  if (result_ == nullptr) result_.reset(statement_.executeQuery());
  column_ = 0;
  return result_->next();
}

std::string Query::Bytes() {
  ++column_;
  return result_->isNull(column_) ? std::string() : std::string(result_->getString(column_));
}

Uuid Query::Id() {
  return Uuid::FromBytes(Bytes()).value_or(Uuid());  // the schema admits no other size
}

std::optional<absl::Time> Query::OptionalTime() {
  if (result_->isNull(column_ + 1)) {
    ++column_;
    return std::nullopt;
  }
  return Time();
}

std::vector<std::string> Query::List() { return absl::StrSplit(Bytes(), ' ', absl::SkipEmpty()); }

}  // namespace watchword::mysql
