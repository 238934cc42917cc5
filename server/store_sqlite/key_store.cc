#include "server/store_sqlite/key_store.h"

#include "absl/strings/str_cat.h"
#include "server/store/sql_records.h"

namespace watchword {

absl::StatusOr<std::vector<SigningKeyRecord>> SqliteKeyStore::ListKeys() {
  return database_.Read([](Connection& connection) -> absl::StatusOr<std::vector<SigningKeyRecord>> {
    Query list(connection, Sql::kListKeys);
    std::vector<SigningKeyRecord> keys;
    while (list.Next()) keys.push_back(ReadKey(list));
    return keys;
  });
}

absl::StatusOr<bool> SqliteKeyStore::AddFirstKey(const SigningKeyRecord& key) {
  return database_.Write([&](Connection& connection) -> absl::StatusOr<bool> {
    Query insert(connection, Sql::kInsertFirstKey);
    BindKey(insert, key);
    return insert.Run() == 1;
  });
}

absl::StatusOr<std::string> SqliteKeyStore::FindSecret(absl::string_view name) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<std::string> {
    Query find(connection, Sql::kFindSecret);
    if (!find.BindText(name).Next()) return absl::NotFoundError(absl::StrCat("no secret named ", name));
    return find.Bytes();
  });
}

absl::StatusOr<bool> SqliteKeyStore::AddSecret(absl::string_view name, absl::string_view sealed) {
  return database_.Write([&](Connection& connection) -> absl::StatusOr<bool> {
    return Query(connection, Sql::kInsertSecret).BindText(name).BindBytes(sealed).Run() == 1;
  });
}

}  // namespace watchword
