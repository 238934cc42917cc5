#include "server/store_sqlite/key_store.h"

#include "absl/strings/str_cat.h"

namespace watchword {

absl::StatusOr<std::vector<SigningKeyRecord>> SqliteKeyStore::ListKeys() {
  return database_.Read([](Connection& connection) -> absl::StatusOr<std::vector<SigningKeyRecord>> {
    Query list(connection, Sql::kListKeys);
    std::vector<SigningKeyRecord> keys;
    while (list.Next()) {
      SigningKeyRecord& key = keys.emplace_back();
      key.key_id = list.Bytes();
      key.algorithm = list.Bytes();
      key.state = static_cast<SigningKeyState>(list.Int());
      key.sealed_private_key = list.Bytes();
      key.created_at = list.Time();
    }
    return keys;
  });
}

absl::StatusOr<bool> SqliteKeyStore::AddFirstKey(const SigningKeyRecord& key) {
  return database_.Write([&](Connection& connection) -> absl::StatusOr<bool> {
    return Query(connection, Sql::kInsertFirstKey)
               .BindText(key.key_id)
               .BindText(key.algorithm)
               .BindInt(static_cast<int64_t>(key.state))
               .BindBytes(key.sealed_private_key)
               .BindTime(key.created_at)
               .Run() == 1;
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
