#include "server/store_mysql/user_store.h"

#include <optional>

#include "server/store/sql_records.h"
#include "server/store_mysql/revocation_log.h"

namespace watchword::mysql {
namespace {

absl::StatusOr<PrincipalRecord> Found(Query& find) {
  if (!find.Next()) return absl::NotFoundError("no such principal");
  return ReadPrincipal(find);
}

absl::StatusOr<PrincipalRecord> LockPrincipal(Connection& connection, const Uuid& id) {
  Query lock(connection, Sql::kLockPrincipal);
  return Found(lock.BindId(id));
}

}  // namespace

absl::Status MysqlUserStore::Create(const PrincipalRecord& principal) {
  if (auto status = CheckList(principal.scopes); !status.ok()) return status;
  return database_.Run(
      Database::Write::kOneStatement,
      [&](Connection& connection) -> absl::Status {
        Query insert(connection, Sql::kInsertPrincipal);
        BindPrincipal(insert, principal);
        insert.Run();
        return absl::OkStatus();
      },
      [&](Connection& connection) -> absl::StatusOr<bool> { return LockPrincipal(connection, principal.id).ok(); });
}

absl::StatusOr<PrincipalRecord> MysqlUserStore::FindByName(absl::string_view name) {
  return database_.Read([&](Connection& connection) {
    Query find(connection, Sql::kFindPrincipalByName);
    return Found(find.BindBytes(name));
  });
}

absl::StatusOr<PrincipalRecord> MysqlUserStore::Find(const Uuid& id) {
  return database_.Read([&](Connection& connection) {
    Query find(connection, Sql::kFindPrincipal);
    return Found(find.BindId(id));
  });
}

absl::StatusOr<std::vector<PrincipalRecord>> MysqlUserStore::List(absl::string_view after, size_t limit) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<std::vector<PrincipalRecord>> {
    Query list(connection, Sql::kListPrincipals);
    list.BindBytes(after).BindInt(static_cast<int64_t>(limit));
    std::vector<PrincipalRecord> principals;
    while (list.Next()) principals.push_back(ReadPrincipal(list));
    return principals;
  });
}

absl::StatusOr<RevocationRecord> MysqlUserStore::SetPassword(const Uuid& id, absl::string_view password_hash,
                                                             absl::Time now, absl::Time revocation_expires_at,
                                                             std::optional<int64_t> if_version) {
  std::optional<RevocationRecord> appended;
  return database_.Run(
      Database::Write::kTransaction,
      [&](Connection& connection) -> absl::StatusOr<RevocationRecord> {
        const absl::StatusOr<PrincipalRecord> principal = LockPrincipal(connection, id);
        if (!principal.ok()) return principal.status();
        if (if_version.has_value() && principal->credential_version != *if_version) {
          return absl::FailedPreconditionError("the account was changed meanwhile");
        }
        Query(connection, Sql::kSetPassword).BindBytes(password_hash).BindId(id).Run();
        auto ended = EndAllSessions(connection, *principal, now, revocation_expires_at);
        if (ended.ok()) appended = *ended;
        return ended;
      },
      [&](Connection& connection) { return FindAppended(connection, appended); });
}

absl::StatusOr<bool> MysqlUserStore::ReplaceHash(const Uuid& id, absl::string_view old_hash,
                                                 absl::string_view new_hash) {
  return database_.Run(
      Database::Write::kOneStatement,
      [&](Connection& connection) -> absl::StatusOr<bool> {
        return Query(connection, Sql::kReplaceHash).BindBytes(new_hash).BindId(id).BindBytes(old_hash).Run() == 1;
      },
      [&](Connection& connection) -> absl::StatusOr<std::optional<bool>> {
        const absl::StatusOr<PrincipalRecord> principal = LockPrincipal(connection, id);
        if (!principal.ok() || principal->password_hash != new_hash) return std::nullopt;
        return true;
      });
}

absl::StatusOr<RevokeOutcome> MysqlUserStore::SetDisabled(const Uuid& id, bool disabled, absl::Time now,
                                                          absl::Time revocation_expires_at) {
  std::optional<RevocationRecord> appended;
  return database_.Run(
      Database::Write::kTransaction,
      [&](Connection& connection) -> absl::StatusOr<RevokeOutcome> {
        appended.reset();
        const absl::StatusOr<PrincipalRecord> principal = LockPrincipal(connection, id);
        if (!principal.ok()) return principal.status();
        if (principal->disabled == disabled) return RevokeOutcome();
        Query(connection, Sql::kSetDisabled).BindInt(disabled ? 1 : 0).BindId(id).Run();
        if (!disabled) return RevokeOutcome();
        auto ended = EndAllSessions(connection, *principal, now, revocation_expires_at);
        if (!ended.ok()) return ended.status();
        appended = *ended;
        return RevokeOutcome{.newly_revoked = true, .revocation = *std::move(ended)};
      },
      [&](Connection& connection) -> absl::StatusOr<std::optional<RevokeOutcome>> {
        // Enabling is done again: it does nothing if it was done.
        auto found = FindAppended(connection, appended);
        if (!found.ok()) return found.status();
        if (!found->has_value()) return std::nullopt;
        return RevokeOutcome{.newly_revoked = true, .revocation = **std::move(found)};
      });
}

}  // namespace watchword::mysql
