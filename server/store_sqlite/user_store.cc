#include "server/store_sqlite/user_store.h"

#include "absl/strings/match.h"
#include "server/store_sqlite/session_store.h"

namespace watchword {
namespace {

absl::Status NoSuchPrincipal() { return absl::NotFoundError("no such principal"); }

bool Exists(Connection& connection, const Uuid& id) { return Query(connection, Sql::kFindPrincipal).BindId(id).Next(); }

}  // namespace

PrincipalRecord ReadPrincipal(Query& row) {
  PrincipalRecord principal;
  principal.id = row.Id();
  principal.kind = static_cast<PrincipalKind>(row.Int());
  principal.name = row.Bytes();
  principal.password_hash = row.Bytes();
  principal.scopes = row.List();
  principal.disabled = row.Int() != 0;
  principal.credential_version = row.Int();
  principal.created_at = row.Time();
  principal.sessions_revoked_until = row.Time();
  return principal;
}

absl::Status CheckList(const std::vector<std::string>& list) {
  for (const std::string& element : list) {
    if (element.empty() || absl::StrContains(element, " ")) {
      return absl::InvalidArgumentError("a scope or audience is empty or has a space");
    }
  }
  return absl::OkStatus();
}

absl::Status SqliteUserStore::Create(const PrincipalRecord& principal) {
  if (auto status = CheckList(principal.scopes); !status.ok()) return status;
  return database_.Write([&](Connection& connection) -> absl::Status {
    Query(connection, Sql::kInsertPrincipal)
        .BindId(principal.id)
        .BindInt(static_cast<int64_t>(principal.kind))
        .BindBytes(principal.name)
        .BindBytes(principal.password_hash)
        .BindList(principal.scopes)
        .BindInt(principal.disabled ? 1 : 0)
        .BindInt(principal.credential_version)
        .BindTime(principal.created_at)
        .BindTime(principal.sessions_revoked_until)
        .Run();
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
