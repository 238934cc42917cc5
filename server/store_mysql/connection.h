#pragma once

#include <cppconn/connection.h>
#include <cppconn/prepared_statement.h>
#include <cppconn/resultset.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/store_mysql/mysql_store.h"
#include "server/store_mysql/statements.h"
#include "watchword/base/uuid.h"

namespace watchword::mysql {

// What a connection is for: kMigrate waits as long as it takes.
enum class Purpose { kUse, kMigrate };

// Must be called on each thread before it uses a connection: the client library keeps state for each thread.
void EnterDriver();

// A connection to the database, with its statements prepared once: they die with it. Thread-compatible: one thread at a
// time. Members throw sql::SQLException: call inside CatchMysql.
class Connection {
 public:
  // Connects to options.hosts[host] (or to the socket) and sets up the session: UTF-8, strict, READ COMMITTED, bounded
  // waits. UNAVAILABLE if it cannot be reached or takes no writes; FAILED_PRECONDITION if it refuses the user, or the
  // session is not as it must be, such as without TLS.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const MysqlOptions& options, size_t host, Purpose purpose);

  sql::PreparedStatement& Prepared(Sql sql);
  // A statement for `count` rows at once, 1 to kMaxRows.
  sql::PreparedStatement& Prepared(RowsSql sql, size_t count);

  // Runs a statement that is not worth preparing and has no result.
  void Execute(const std::string& text);
  // A column of the first row; nothing if there is none or it is NULL.
  std::optional<std::string> Value(const std::string& text, uint32_t column = 1);

  // Whether the server still answers. Does not throw.
  bool Answers();

 private:
  explicit Connection(std::unique_ptr<sql::Connection> connection);

  const std::unique_ptr<sql::Connection> connection_;
  std::array<std::unique_ptr<sql::PreparedStatement>, kSqlCount> statements_;
  std::array<std::array<std::unique_ptr<sql::PreparedStatement>, kMaxRows + 1>, kRowsSqlCount> for_rows_;
};

// One use of a prepared statement: parameters are bound and columns read in order, left to right.
class Query {
 public:
  Query(Connection& connection, Sql sql) : statement_(connection.Prepared(sql)) {}
  Query(Connection& connection, RowsSql sql, size_t count) : statement_(connection.Prepared(sql, count)) {}
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& BindInt(int64_t value);
  Query& BindBytes(absl::string_view value);
  Query& BindText(absl::string_view value) { return BindBytes(value); }
  Query& BindNull();
  Query& BindId(const Uuid& value) { return BindBytes(value.bytes()); }
  Query& BindTime(absl::Time value) { return BindInt(absl::ToUnixMicros(value)); }
  Query& BindList(const std::vector<std::string>& value);

  // Runs a statement that has no result. How many rows it changed.
  size_t Run();
  // Moves to the next row, if there is one.
  bool Next();

  int64_t Int() { return result_->getInt64(++column_); }
  std::string Bytes();  // "" for NULL
  Uuid Id();
  absl::Time Time() { return absl::FromUnixMicros(Int()); }
  std::optional<absl::Time> OptionalTime();
  std::vector<std::string> List();

 private:
  sql::PreparedStatement& statement_;
  std::unique_ptr<sql::ResultSet> result_;
  uint32_t parameter_ = 0;
  uint32_t column_ = 0;
};

}  // namespace watchword::mysql
