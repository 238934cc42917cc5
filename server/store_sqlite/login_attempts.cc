#include "server/store_sqlite/login_attempts.h"

#include "server/store/sql_records.h"

namespace watchword {
namespace {

std::vector<LoginAttemptsRecord> FindAll(Connection& connection, absl::Span<const std::string> keys) {
  std::vector<LoginAttemptsRecord> records;
  for (const std::string& key : keys) {
    Query find(connection, Sql::kFindAttempts);
    records.push_back(find.BindBytes(key).Next() ? ReadAttempts(find) : LoginAttemptsRecord());
  }
  return records;
}

}  // namespace

absl::StatusOr<std::vector<LoginAttemptsRecord>> SqliteLoginAttempts::Find(absl::Span<const std::string> keys) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<std::vector<LoginAttemptsRecord>> {
    return FindAll(connection, keys);
  });
}

absl::Status SqliteLoginAttempts::Update(absl::Span<const std::string> keys, Change change) {
  return database_.Write([&](Connection& connection) {
    std::vector<LoginAttemptsRecord> records = FindAll(connection, keys);
    change(absl::MakeSpan(records));
    for (size_t i = 0; i < keys.size(); ++i) {
      Query put(connection, Sql::kPutAttempts);
      BindAttempts(put, records[i], keys[i]);
      put.Run();
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<size_t> SqliteLoginAttempts::DeleteExpired(absl::Time expired_before, size_t limit) {
  return database_.Write([&](Connection& connection) -> absl::StatusOr<size_t> {
    return Query(connection, Sql::kDeleteExpiredAttempts)
        .BindTime(expired_before)
        .BindInt(static_cast<int64_t>(limit))
        .Run();
  });
}

}  // namespace watchword
