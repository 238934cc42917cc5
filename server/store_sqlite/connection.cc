#include "server/store_sqlite/connection.h"

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace watchword {
namespace {

// One process and one writer: only a checkpoint, or somebody with the sqlite3 shell, can be in the way.
constexpr int kBusyTimeoutMilliseconds = 500;

}  // namespace

// The caller sees to it that one thread at a time uses the connection, so SQLite need not lock it.
Connection::Connection(const std::string& path)
    : database_(path, SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX, kBusyTimeoutMilliseconds) {}

SQLite::Statement& Connection::Prepared(Sql sql) {
  auto& statement = statements_[static_cast<size_t>(sql)];
  if (!statement.has_value()) statement.emplace(database_, TextOf(sql));
  return *statement;
}

Query::~Query() {
  statement_.tryReset();  // says again what the last step has said
}

Query& Query::BindInt(int64_t value) {
  statement_.bind(++parameter_, value);
  return *this;
}

Query& Query::BindBytes(absl::string_view value) {
  // A null pointer would bind NULL.
  statement_.bind(++parameter_, value.empty() ? "" : static_cast<const void*>(value.data()),
                  static_cast<int>(value.size()));
  return *this;
}

Query& Query::BindText(absl::string_view value) {
  statement_.bind(++parameter_, std::string(value));
  return *this;
}

Query& Query::BindNull() {
  statement_.bind(++parameter_);
  return *this;
}

Query& Query::BindList(const std::vector<std::string>& value) { return BindText(absl::StrJoin(value, " ")); }

size_t Query::Run() {
  statement_.exec();
  return static_cast<size_t>(statement_.getChanges());
}

bool Query::Next() {
  column_ = 0;
  return statement_.executeStep();
}

std::string Query::Bytes() {
  const SQLite::Column column = statement_.getColumn(column_++);
  const auto* bytes = static_cast<const char*>(column.getBlob());
  return bytes == nullptr ? std::string() : std::string(bytes, static_cast<size_t>(column.getBytes()));
}

Uuid Query::Id() {
  return Uuid::FromBytes(Bytes()).value_or(Uuid());  // the schema admits no other size
}

std::optional<absl::Time> Query::OptionalTime() {
  if (statement_.isColumnNull(column_)) {
    ++column_;
    return std::nullopt;
  }
  return Time();
}

std::vector<std::string> Query::List() { return absl::StrSplit(Bytes(), ' ', absl::SkipEmpty()); }

}  // namespace watchword
