#include "server/store_mysql/key_store.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "server/store/sql_records.h"

namespace watchword::mysql {

absl::StatusOr<std::vector<SigningKeyRecord>> MysqlKeyStore::ListKeys() {
  return database_.Read([](Connection& connection) -> absl::StatusOr<std::vector<SigningKeyRecord>> {
    Query list(connection, Sql::kListKeys);
    std::vector<SigningKeyRecord> keys;
    while (list.Next()) keys.push_back(ReadKey(list));
    return keys;
  });
}

absl::StatusOr<bool> MysqlKeyStore::AddFirstKey(const SigningKeyRecord& key) {
  return database_.Run(
      Database::Write::kTransaction,
      [&](Connection& connection) -> absl::StatusOr<bool> {
        // Of servers that start at the same time one comes first: there is always this row to queue at.
        if (!Query(connection, Sql::kLockSequencer).Next()) return absl::DataLossError("the sequencer is missing");
        if (Query(connection, Sql::kHasKey).Next()) return false;
        Query insert(connection, Sql::kInsertKey);
        BindKey(insert, key);
        insert.Run();
        return true;
      },
      [&](Connection& connection) -> absl::StatusOr<std::optional<bool>> {
        Query(connection, Sql::kLockSequencer).Next();
        Query list(connection, Sql::kListKeys);
        while (list.Next()) {
          if (ReadKey(list).key_id == key.key_id) return true;
        }
        return std::nullopt;
      });
}

absl::StatusOr<std::string> MysqlKeyStore::FindSecret(absl::string_view name) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<std::string> {
    Query find(connection, Sql::kFindSecret);
    if (!find.BindText(name).Next()) return absl::NotFoundError(absl::StrCat("no secret named ", name));
    return find.Bytes();
  });
}

absl::StatusOr<bool> MysqlKeyStore::AddSecret(absl::string_view name, absl::string_view sealed) {
  const auto is_there = [&](Connection& connection) -> absl::StatusOr<std::optional<bool>> {
    Query find(connection, Sql::kFindSecret);
    if (!find.BindText(name).Next()) return std::nullopt;
    return find.Bytes() == sealed;
  };
  return database_.Run(
      Database::Write::kOneStatement,
      [&](Connection& connection) -> absl::StatusOr<bool> {
        return Query(connection, Sql::kInsertSecret).BindText(name).BindBytes(sealed).Run() == 1;
      },
      is_there);
}

}  // namespace watchword::mysql
