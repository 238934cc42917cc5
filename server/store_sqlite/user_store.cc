#include "server/store_sqlite/user_store.h"

#include "server/store/sql_records.h"
#include "server/store_sqlite/session_store.h"

namespace watchword {
namespace {

absl::Status NoSuchPrincipal() { return absl::NotFoundError("no such principal"); }

bool Exists(Connection& connection, const Uuid& id) { return Query(connection, Sql::kFindPrincipal).BindId(id).Next(); }

}  // namespace

absl::Status SqliteUserStore::Create(const PrincipalRecord& principal) {
  if (auto status = CheckList(principal.scopes); !status.ok()) return status;
  return database_.Write([&](Connection& connection) -> absl::Status {
    Query insert(connection, Sql::kInsertPrincipal);
    BindPrincipal(insert, principal);
    insert.Run();
    return absl::OkStatus();
  });
}

absl::StatusOr<PrincipalRecord> SqliteUserStore::FindByName(absl::string_view name) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<PrincipalRecord> {
    Query find(connection, Sql::kFindPrincipalByName);
    if (!find.BindBytes(name).Next()) return NoSuchPrincipal();
    return ReadPrincipal(find);
  });
}

absl::StatusOr<PrincipalRecord> SqliteUserStore::Find(const Uuid& id) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<PrincipalRecord> {
    Query find(connection, Sql::kFindPrincipal);
    if (!find.BindId(id).Next()) return NoSuchPrincipal();
    return ReadPrincipal(find);
  });
}

absl::StatusOr<std::vector<PrincipalRecord>> SqliteUserStore::List(absl::string_view after, size_t limit) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<std::vector<PrincipalRecord>> {
    Query list(connection, Sql::kListPrincipals);
    list.BindBytes(after).BindInt(static_cast<int64_t>(limit));
    std::vector<PrincipalRecord> principals;
    while (list.Next()) principals.push_back(ReadPrincipal(list));
    return principals;
  });
}

absl::StatusOr<RevocationRecord> SqliteUserStore::SetPassword(const Uuid& id, absl::string_view password_hash,
                                                              absl::Time now, absl::Time revocation_expires_at,
                                                              std::optional<int64_t> if_version) {
  return database_.Write([&](Connection& connection) -> absl::StatusOr<RevocationRecord> {
    if (Query(connection, Sql::kSetPassword)
            .BindId(id)
            .BindBytes(password_hash)
            .BindInt(if_version.value_or(0))
            .Run() == 0) {
      return Exists(connection, id) ? absl::FailedPreconditionError("the principal has changed") : NoSuchPrincipal();
    }
    return EndAllSessions(connection, id, now, revocation_expires_at);
  });
}

absl::StatusOr<bool> SqliteUserStore::ReplaceHash(const Uuid& id, absl::string_view old_hash,
                                                  absl::string_view new_hash) {
  return database_.Write([&](Connection& connection) -> absl::StatusOr<bool> {
    return Query(connection, Sql::kReplaceHash).BindId(id).BindBytes(old_hash).BindBytes(new_hash).Run() == 1;
  });
}

absl::StatusOr<RevokeOutcome> SqliteUserStore::SetDisabled(const Uuid& id, bool disabled, absl::Time now,
                                                           absl::Time revocation_expires_at) {
  return database_.Write([&](Connection& connection) -> absl::StatusOr<RevokeOutcome> {
    const bool changed = Query(connection, Sql::kSetDisabled).BindId(id).BindInt(disabled ? 1 : 0).Run() == 1;
    if (!changed && !Exists(connection, id)) return NoSuchPrincipal();
    if (!changed || !disabled) return RevokeOutcome();
    auto revocation = EndAllSessions(connection, id, now, revocation_expires_at);
    if (!revocation.ok()) return revocation.status();
    return RevokeOutcome{.newly_revoked = true, .revocation = *std::move(revocation)};
  });
}

}  // namespace watchword
