#include "server/store_mysql/session_store.h"

#include <optional>
#include <string>

#include "server/store/sql_records.h"
#include "server/store_mysql/revocation_log.h"

namespace watchword::mysql {
namespace {

constexpr size_t kDigestSize = 32;

// The columns have a fixed size and would be filled up with zeros.
absl::Status CheckSession(const SessionRecord& session) {
  for (const auto* list : {&session.audiences, &session.scopes}) {
    if (auto status = CheckList(*list); !status.ok()) return status;
  }
  const bool digest_fits = session.token_digest.empty() || session.token_digest.size() == kDigestSize;
  if (digest_fits && session.binding.size() == kDigestSize) return absl::OkStatus();
  return absl::InvalidArgumentError("the token digest or the binding does not have 32 bytes");
}

absl::StatusOr<SessionView> Found(Query& find) {
  if (!find.Next()) return absl::NotFoundError("no such session");
  return ReadSessionView(find);
}

absl::StatusOr<PrincipalRecord> FindPrincipal(Connection& connection, Sql sql, const Uuid& id) {
  Query find(connection, sql);
  if (!find.BindId(id).Next()) return absl::NotFoundError("no such principal");
  return ReadPrincipal(find);
}

}  // namespace

absl::Status MysqlSessionStore::Create(const SessionRecord& session, int64_t credential_version) {
  if (auto status = CheckSession(session); !status.ok()) return status;
  return database_.Run(
      Database::Write::kOneStatement,
      [&](Connection& connection) -> absl::Status {
        Query insert(connection, Sql::kInsertSession);
        BindSession(insert, session);
        insert.BindId(session.principal).BindTime(session.created_at).BindInt(credential_version);
        if (insert.Run() == 1) return absl::OkStatus();
        const auto principal = FindPrincipal(connection, Sql::kFindPrincipal, session.principal);
        if (absl::IsNotFound(principal.status())) return absl::FailedPreconditionError("the account is gone");
        return WhyNotCreated(*principal, credential_version);
      },
      [&](Connection& connection) -> absl::StatusOr<bool> {
        Query created(connection, Sql::kLockSession);
        return created.BindId(session.id).Next();
      });
}

absl::StatusOr<SessionView> MysqlSessionStore::Find(const Uuid& id) {
  return database_.Read([&](Connection& connection) {
    Query find(connection, Sql::kFindSession);
    return Found(find.BindId(id));
  });
}

absl::StatusOr<SessionView> MysqlSessionStore::FindByTokenDigest(absl::string_view digest) {
  return database_.Read([&](Connection& connection) {
    Query find(connection, Sql::kFindSessionByTokenDigest);
    return Found(find.BindBytes(digest));
  });
}

absl::StatusOr<bool> MysqlSessionStore::Rotate(const Uuid& id, int64_t generation, absl::Time now,
                                               absl::Time idle_expires_at) {
  return database_.Run(
      Database::Write::kOneStatement,
      [&](Connection& connection) -> absl::StatusOr<bool> {
        Query rotate(connection, Sql::kRotate);
        rotate.BindTime(now).BindTime(now).BindTime(idle_expires_at);
        return rotate.BindId(id).BindInt(generation).BindTime(now).Run() == 1;
      },
      // Another that rotated in the same microsecond would be taken for this one, which does no harm: both get the same
      // refresh token.
      [&](Connection& connection) -> absl::StatusOr<std::optional<bool>> {
        Query lock(connection, Sql::kLockSession);
        if (!lock.BindId(id).Next()) return std::nullopt;
        const int64_t newest = lock.Int();
        if (newest != generation + 1 || absl::ToUnixMicros(lock.Time()) != absl::ToUnixMicros(now)) return std::nullopt;
        return true;
      });
}

absl::StatusOr<RevokeOutcome> MysqlSessionStore::Revoke(const Uuid& id, absl::Time now,
                                                        absl::Time revocation_expires_at) {
  return revoker_.Revoke(id, now, revocation_expires_at);
}

absl::StatusOr<RevocationRecord> MysqlSessionStore::RevokeAll(const Uuid& principal, absl::Time now,
                                                              absl::Time revocation_expires_at) {
  std::optional<RevocationRecord> appended;
  return database_.Run(
      Database::Write::kTransaction,
      [&](Connection& connection) -> absl::StatusOr<RevocationRecord> {
        const auto locked = FindPrincipal(connection, Sql::kLockPrincipal, principal);
        if (!locked.ok()) return locked.status();
        auto ended = EndAllSessions(connection, *locked, now, revocation_expires_at);
        if (ended.ok()) appended = *ended;
        return ended;
      },
      [&](Connection& connection) { return FindAppended(connection, appended); });
}

absl::Status MysqlSessionStore::NoteActivity(absl::Span<const Activity> activities) {
  if (activities.empty()) return absl::OkStatus();
  return database_.Run(
      Database::Write::kTransaction,
      [&](Connection& connection) -> absl::Status {
        for (const Activity& activity : activities) {
          Query note(connection, Sql::kNoteActivity);
          note.BindTime(activity.last_used_at).BindTime(activity.idle_expires_at).BindId(activity.id).Run();
        }
        return absl::OkStatus();
      },
      // Doing it again is harmless.
      [](Connection&) -> absl::StatusOr<bool> { return false; });
}

absl::StatusOr<std::vector<SessionRecord>> MysqlSessionStore::ListLive(const Uuid& principal, absl::Time now,
                                                                       const Uuid& before, size_t limit) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<std::vector<SessionRecord>> {
    Query list(connection, Sql::kListLiveSessions);
    list.BindId(principal).BindId(before == Uuid() ? LastId() : before).BindTime(now);
    list.BindInt(static_cast<int64_t>(limit));
    std::vector<SessionRecord> sessions;
    while (list.Next()) sessions.push_back(ReadSession(list));
    return sessions;
  });
}

absl::StatusOr<size_t> MysqlSessionStore::DeleteExpired(absl::Time expired_before, size_t limit) {
  return database_.RunAgain([&](Connection& connection) -> absl::StatusOr<size_t> {
    Query expired(connection, Sql::kDeleteExpiredSessions);
    return expired.BindTime(expired_before).BindInt(static_cast<int64_t>(limit)).Run();
  });
}

}  // namespace watchword::mysql
