#include "server/store_sqlite/session_store.h"

#include <algorithm>
#include <string>
#include <utility>

#include "server/store/sql_records.h"
#include "server/store_sqlite/revocation_log.h"

namespace watchword {
namespace {

absl::Status NoSuchSession() { return absl::NotFoundError("no such session"); }

absl::StatusOr<SessionView> ReadView(Query& row) {
  if (!row.Next()) return NoSuchSession();
  return ReadSessionView(row);
}

// Why the conditional INSERT took nothing, in the same transaction.
absl::Status WhyNotCreated(Connection& connection, const SessionRecord& session, int64_t credential_version) {
  Query find(connection, Sql::kFindPrincipal);
  if (!find.BindId(session.principal).Next()) return absl::FailedPreconditionError("the account is gone");
  return WhyNotCreated(ReadPrincipal(find), credential_version);
}

absl::Time NewestSession(Connection& connection, const Uuid& principal) {
  Query newest(connection, Sql::kNewestSession);
  return newest.BindId(principal).Next() ? newest.Time() : absl::UnixEpoch();
}

// When the last session token of the principal expires; the epoch if it has none.
absl::Time LastSessionTokenEnd(Connection& connection, const Uuid& principal) {
  Query last(connection, Sql::kLastSessionTokenEnd);
  return last.BindId(principal).Next() ? last.OptionalTime().value_or(absl::UnixEpoch()) : absl::UnixEpoch();
}

}  // namespace

absl::StatusOr<RevocationRecord> EndAllSessions(Connection& connection, const Uuid& principal, absl::Time now,
                                                absl::Time revocation_expires_at) {
  const absl::Time until = RoundUpToMillisecond(std::max(now, NewestSession(connection, principal)));
  RevocationRecord revocation;
  {
    Query end(connection, Sql::kEndSessions);
    if (!end.BindId(principal).BindTime(until).Next()) return absl::NotFoundError("no such principal");
    revocation.began_until = end.Time();
  }
  revocation.kind = RevocationKind::kPrincipal;
  revocation.target = principal;
  revocation.created_at = now;
  revocation.expires_at = std::max(revocation_expires_at, LastSessionTokenEnd(connection, principal));
  if (auto status = AppendRevocation(connection, revocation); !status.ok()) return status;
  return revocation;
}

absl::Status SqliteSessionStore::Create(const SessionRecord& session, int64_t credential_version) {
  for (const auto* list : {&session.audiences, &session.scopes}) {
    if (auto status = CheckList(*list); !status.ok()) return status;
  }
  return database_.Write([&](Connection& connection) -> absl::Status {
    Query insert(connection, Sql::kInsertSession);
    BindSession(insert, session);
    if (insert.BindInt(credential_version).Run() == 1) return absl::OkStatus();
    return WhyNotCreated(connection, session, credential_version);
  });
}

absl::StatusOr<SessionView> SqliteSessionStore::Find(const Uuid& id) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<SessionView> {
    Query find(connection, Sql::kFindSession);
    return ReadView(find.BindId(id));
  });
}

absl::StatusOr<SessionView> SqliteSessionStore::FindByTokenDigest(absl::string_view digest) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<SessionView> {
    Query find(connection, Sql::kFindSessionByTokenDigest);
    return ReadView(find.BindBytes(digest));
  });
}

absl::StatusOr<bool> SqliteSessionStore::Rotate(const Uuid& id, int64_t generation, absl::Time now,
                                                absl::Time idle_expires_at) {
  return database_.Write([&](Connection& connection) -> absl::StatusOr<bool> {
    Query rotate(connection, Sql::kRotate);
    return rotate.BindId(id).BindInt(generation).BindTime(now).BindTime(idle_expires_at).Run() == 1;
  });
}

absl::StatusOr<RevokeOutcome> SqliteSessionStore::Revoke(const Uuid& id, absl::Time now,
                                                         absl::Time revocation_expires_at) {
  return database_.Write([&](Connection& connection) -> absl::StatusOr<RevokeOutcome> {
    RevocationRecord revocation;
    revocation.expires_at = revocation_expires_at;
    {
      Query revoke(connection, Sql::kRevokeSession);
      if (!revoke.BindId(id).BindTime(now).Next()) {
        if (!Query(connection, Sql::kFindSession).BindId(id).Next()) return NoSuchSession();
        return RevokeOutcome();
      }
      const bool has_session_token = static_cast<SessionKind>(revoke.Int()) == SessionKind::kSessionToken;
      const absl::Time session_expires_at = revoke.Time();
      if (has_session_token) revocation.expires_at = std::max(revocation_expires_at, session_expires_at);
    }
    revocation.kind = RevocationKind::kSession;
    revocation.target = id;
    revocation.began_until = absl::UnixEpoch();
    revocation.created_at = now;
    if (auto status = AppendRevocation(connection, revocation); !status.ok()) return status;
    return RevokeOutcome{.newly_revoked = true, .revocation = std::move(revocation)};
  });
}

absl::StatusOr<RevocationRecord> SqliteSessionStore::RevokeAll(const Uuid& principal, absl::Time now,
                                                               absl::Time revocation_expires_at) {
  return database_.Write(
      [&](Connection& connection) { return EndAllSessions(connection, principal, now, revocation_expires_at); });
}

absl::Status SqliteSessionStore::NoteActivity(absl::Span<const Activity> activities) {
  if (activities.empty()) return absl::OkStatus();
  return database_.Write([&](Connection& connection) -> absl::Status {
    for (const Activity& activity : activities) {
      Query note(connection, Sql::kNoteActivity);
      note.BindId(activity.id).BindTime(activity.last_used_at).BindTime(activity.idle_expires_at).Run();
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<SessionRecord>> SqliteSessionStore::ListLive(const Uuid& principal, absl::Time now,
                                                                        const Uuid& before, size_t limit) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<std::vector<SessionRecord>> {
    Query list(connection, Sql::kListLiveSessions);
    list.BindId(principal).BindTime(now).BindId(before == Uuid() ? LastId() : before);
    list.BindInt(static_cast<int64_t>(limit));
    std::vector<SessionRecord> sessions;
    while (list.Next()) sessions.push_back(ReadSession(list));
    return sessions;
  });
}

absl::StatusOr<size_t> SqliteSessionStore::DeleteExpired(absl::Time expired_before, size_t limit) {
  return database_.Write([&](Connection& connection) -> absl::StatusOr<size_t> {
    Query expired(connection, Sql::kDeleteExpiredSessions);
    return expired.BindTime(expired_before).BindInt(static_cast<int64_t>(limit)).Run();
  });
}

}  // namespace watchword
