#include "server/store_sqlite/key_store.h"

#include "absl/strings/str_cat.h"
#include "server/store/sql_keys.h"
#include "server/store/sql_records.h"
#include "server/store_sqlite/revocation_log.h"

namespace watchword {
namespace {

using Keys = SqlKeys<Query, Sql, Connection>;

}  // namespace

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

absl::StatusOr<bool> SqliteKeyStore::PublishKey(const SigningKeyRecord& key, absl::string_view active) {
  return database_.Write(
      [&](Connection& connection) -> absl::StatusOr<bool> { return Keys(connection).Publish(key, active); });
}

absl::StatusOr<bool> SqliteKeyStore::ActivateKey(absl::string_view key_id, absl::string_view active, absl::Time now) {
  return database_.Write(
      [&](Connection& connection) -> absl::StatusOr<bool> { return Keys(connection).Activate(key_id, active, now); });
}

absl::StatusOr<bool> SqliteKeyStore::DeleteRetiredKey(absl::string_view key_id) {
  return database_.Write(
      [&](Connection& connection) -> absl::StatusOr<bool> { return Keys(connection).DeleteRetired(key_id); });
}

absl::StatusOr<KeyStore::RevokedKey> SqliteKeyStore::RevokeKey(absl::string_view key_id,
                                                               const SigningKeyRecord& replacement, absl::Time now,
                                                               absl::Time revocation_expires_at) {
  return database_.Write([&](Connection& connection) -> absl::StatusOr<RevokedKey> {
    Keys keys(connection);
    const std::optional<SigningKeyState> state = keys.StateOf(key_id);
    if (!state.has_value()) return absl::NotFoundError(absl::StrCat("no signing key ", key_id));
    RevokedKey revoked{.revocation = KeyRevocation(key_id, now, revocation_expires_at),
                       .replaced = keys.Replace(key_id, *state, replacement)};
    if (auto status = AppendRevocation(connection, revoked.revocation); !status.ok()) return status;
    return revoked;
  });
}

absl::StatusOr<bool> SqliteKeyStore::ReplaceSealedKey(absl::string_view key_id, absl::string_view old_sealed,
                                                      absl::string_view new_sealed) {
  return database_.Write([&](Connection& connection) -> absl::StatusOr<bool> {
    Query replace(connection, Sql::kReplaceSealedKey);
    return replace.BindBytes(new_sealed).BindText(key_id).BindBytes(old_sealed).Run() == 1;
  });
}

absl::StatusOr<bool> SqliteKeyStore::ReplaceSecret(absl::string_view name, absl::string_view old_sealed,
                                                   absl::string_view new_sealed) {
  return database_.Write([&](Connection& connection) -> absl::StatusOr<bool> {
    Query replace(connection, Sql::kReplaceSecret);
    return replace.BindBytes(new_sealed).BindText(name).BindBytes(old_sealed).Run() == 1;
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
