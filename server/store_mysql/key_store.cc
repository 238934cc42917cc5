#include "server/store_mysql/key_store.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "server/store/sql_keys.h"
#include "server/store/sql_records.h"
#include "server/store_mysql/revocation_log.h"

namespace watchword::mysql {
namespace {

using Keys = SqlKeys<Query, Sql, Connection>;

// Whoever changes keys waits here for whoever else does; there is always this row.
absl::Status Queue(Connection& connection) {
  if (Query(connection, Sql::kLockSequencer).Next()) return absl::OkStatus();
  return absl::DataLossError("the sequencer is missing");
}

}  // namespace

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
        if (auto status = Queue(connection); !status.ok()) return status;
        if (Query(connection, Sql::kHasKey).Next()) return false;
        Query insert(connection, Sql::kInsertKey);
        BindKey(insert, key);
        insert.Run();
        return true;
      },
      [&](Connection& connection) -> absl::StatusOr<std::optional<bool>> {
        if (auto status = Queue(connection); !status.ok()) return status;
        Query list(connection, Sql::kListKeys);
        while (list.Next()) {
          if (ReadKey(list).key_id == key.key_id) return true;
        }
        return std::nullopt;
      });
}

// `is_done`: whether a change whose outcome is unknown shows in the keys. If not, it is tried again.
absl::StatusOr<bool> MysqlKeyStore::Change(absl::FunctionRef<bool(Connection&)> change,
                                           absl::FunctionRef<bool(Connection&)> is_done) {
  return database_.Run(
      Database::Write::kTransaction,
      [&](Connection& connection) -> absl::StatusOr<bool> {
        if (auto status = Queue(connection); !status.ok()) return status;
        return change(connection);
      },
      [&](Connection& connection) -> absl::StatusOr<std::optional<bool>> {
        if (auto status = Queue(connection); !status.ok()) return status;
        if (is_done(connection)) return true;
        return std::nullopt;
      });
}

absl::StatusOr<bool> MysqlKeyStore::PublishKey(const SigningKeyRecord& key, absl::string_view active) {
  return Change([&](Connection& connection) { return Keys(connection).Publish(key, active); },
                [&](Connection& connection) { return Keys(connection).StateOf(key.key_id).has_value(); });
}

absl::StatusOr<bool> MysqlKeyStore::ActivateKey(absl::string_view key_id, absl::string_view active, absl::Time now) {
  return Change([&](Connection& connection) { return Keys(connection).Activate(key_id, active, now); },
                [&](Connection& connection) { return Keys(connection).StateOf(key_id) == SigningKeyState::kActive; });
}

absl::StatusOr<bool> MysqlKeyStore::DeleteRetiredKey(absl::string_view key_id) {
  return Change([&](Connection& connection) { return Keys(connection).DeleteRetired(key_id); },
                [&](Connection& connection) { return !Keys(connection).StateOf(key_id).has_value(); });
}

absl::StatusOr<KeyStore::RevokedKey> MysqlKeyStore::RevokeKey(absl::string_view key_id,
                                                              const SigningKeyRecord& replacement, absl::Time now,
                                                              absl::Time revocation_expires_at) {
  std::optional<RevokedKey> last;  // what the last try has done, if it came that far
  return database_.Run(
      Database::Write::kTransaction,
      [&](Connection& connection) -> absl::StatusOr<RevokedKey> {
        last.reset();
        if (auto status = Queue(connection); !status.ok()) return status;
        Keys keys(connection);
        const std::optional<SigningKeyState> state = keys.StateOf(key_id);
        if (!state.has_value()) return absl::NotFoundError(absl::StrCat("no signing key ", key_id));
        RevokedKey revoked{.revocation = KeyRevocation(key_id, now, revocation_expires_at),
                           .replaced = keys.Replace(key_id, *state, replacement)};
        if (auto status = AppendRevocations(connection, absl::MakeSpan(&revoked.revocation, 1)); !status.ok()) {
          return status;
        }
        last = revoked;
        return revoked;
      },
      [&](Connection& connection) -> absl::StatusOr<std::optional<RevokedKey>> {
        const std::optional<RevocationRecord> appended =
            last.has_value() ? std::optional(last->revocation) : std::nullopt;
        const auto found = FindAppended(connection, appended);
        if (!found.ok()) return found.status();
        return found->has_value() ? last : std::nullopt;
      });
}

absl::StatusOr<bool> MysqlKeyStore::ReplaceSealedKey(absl::string_view key_id, absl::string_view old_sealed,
                                                     absl::string_view new_sealed) {
  return database_.RunAgain([&](Connection& connection) -> absl::StatusOr<bool> {
    Query replace(connection, Sql::kReplaceSealedKey);
    return replace.BindBytes(new_sealed).BindText(key_id).BindBytes(old_sealed).Run() == 1;
  });
}

absl::StatusOr<bool> MysqlKeyStore::ReplaceSecret(absl::string_view name, absl::string_view old_sealed,
                                                  absl::string_view new_sealed) {
  return database_.RunAgain([&](Connection& connection) -> absl::StatusOr<bool> {
    Query replace(connection, Sql::kReplaceSecret);
    return replace.BindBytes(new_sealed).BindText(name).BindBytes(old_sealed).Run() == 1;
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
