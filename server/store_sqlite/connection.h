#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/store_sqlite/statements.h"
#include "watchword/base/uuid.h"

namespace watchword {

// A connection to the database, with its statements prepared once. Thread-compatible: one thread at a time. Members
// throw SQLite::Exception: call inside CatchSqlite.
class Connection {
 public:
  // Opens the existing file `path`.
  explicit Connection(const std::string& path);

  SQLite::Database& database() { return database_; }
  SQLite::Statement& Prepared(Sql sql);

 private:
  SQLite::Database database_;
  std::array<std::optional<SQLite::Statement>, kSqlCount> statements_;
};

// One use of a prepared statement: parameters are bound and columns read in order, left to right. What is bound is
// copied. Resets the statement in the end, which also ends what it reads: keep no longer than needed.
class Query {
 public:
  Query(Connection& connection, Sql sql) : statement_(connection.Prepared(sql)) {}
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& BindInt(int64_t value);
  Query& BindBytes(absl::string_view value);
  Query& BindText(absl::string_view value);
  Query& BindNull();
  Query& BindId(const Uuid& value) { return BindBytes(value.bytes()); }
  Query& BindTime(absl::Time value) { return BindInt(absl::ToUnixMicros(value)); }
  Query& BindList(const std::vector<std::string>& value);

  // Runs a statement that has no result. How many rows it changed.
  size_t Run();
  // Moves to the next row, if there is one.
  bool Next();

  int64_t Int() { return statement_.getColumn(column_++).getInt64(); }
  std::string Bytes();  // "" for NULL
  Uuid Id();
  absl::Time Time() { return absl::FromUnixMicros(Int()); }
  std::optional<absl::Time> OptionalTime();
  std::vector<std::string> List();

 private:
  SQLite::Statement& statement_;
  int parameter_ = 0;
  int column_ = 0;
};

}  // namespace watchword
