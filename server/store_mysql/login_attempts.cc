#include "server/store_mysql/login_attempts.h"

#include <algorithm>

#include "server/store/sql_records.h"
#include "server/store_mysql/statements.h"

namespace watchword::mysql {
namespace {

std::vector<LoginAttemptsRecord> FindAll(Connection& connection, absl::Span<const std::string> keys) {
  Query find(connection, RowsSql::kFindAttempts, keys.size());
  for (const std::string& key : keys) find.BindBytes(key);
  std::vector<LoginAttemptsRecord> records(keys.size());
  while (find.Next()) {
    const LoginAttemptsRecord record = ReadAttempts(find);
    const auto* const key = std::find(keys.begin(), keys.end(), find.Bytes());
    if (key != keys.end()) records[static_cast<size_t>(key - keys.begin())] = record;
  }
  return records;
}

}  // namespace

absl::StatusOr<std::vector<LoginAttemptsRecord>> MysqlLoginAttempts::Find(absl::Span<const std::string> keys) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<std::vector<LoginAttemptsRecord>> {
    return FindAll(connection, keys);
  });
}

absl::Status MysqlLoginAttempts::Update(absl::Span<const std::string> keys, Change change) {
  std::vector<std::string> in_order(keys.begin(), keys.end());
  std::sort(in_order.begin(), in_order.end());  // two that lock the same ones must not wait for each other
  return database_.Run(
      Database::Write::kTransaction,
      [&](Connection& connection) {
        Query lock(connection, RowsSql::kLockAttempts, in_order.size());
        for (const std::string& key : in_order) lock.BindBytes(key);
        lock.Run();
        std::vector<LoginAttemptsRecord> records = FindAll(connection, keys);
        change(absl::MakeSpan(records));
        Query put(connection, RowsSql::kPutAttempts, keys.size());
        for (size_t i = 0; i < keys.size(); ++i) BindAttempts(put, records[i], keys[i]);
        put.Run();
        return absl::OkStatus();
      },
      // A failure that is counted twice does less harm than one that is not.
      [](Connection&) -> absl::StatusOr<bool> { return false; });
}

absl::StatusOr<size_t> MysqlLoginAttempts::DeleteExpired(absl::Time expired_before, size_t limit) {
  return database_.RunAgain([&](Connection& connection) -> absl::StatusOr<size_t> {
    return Query(connection, Sql::kDeleteExpiredAttempts)
        .BindTime(expired_before)
        .BindInt(static_cast<int64_t>(limit))
        .Run();
  });
}

}  // namespace watchword::mysql
