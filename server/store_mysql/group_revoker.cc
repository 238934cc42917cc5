#include "server/store_mysql/group_revoker.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/store_mysql/revocation_log.h"
#include "server/store_mysql/statements.h"
#include "watchword/base/deadline.h"

namespace watchword::mysql {
namespace {

// What has to be known of a session that is ended.
struct Ended {
  SessionKind kind;
  absl::Time expires_at;
};

absl::flat_hash_map<Uuid, Ended> FindSessions(Connection& connection, absl::Span<const Uuid> ids) {
  Query find(connection, RowsSql::kSessionsToRevoke, ids.size());
  for (const Uuid& id : ids) find.BindId(id);
  absl::flat_hash_map<Uuid, Ended> found;
  while (find.Next()) {
    const Uuid id = find.Id();
    const auto kind = static_cast<SessionKind>(find.Int());
    found[id] = {.kind = kind, .expires_at = find.Time()};
  }
  return found;
}

RevocationRecord RevocationOf(const Uuid& id, const Ended& session, absl::Time now, absl::Time expires_at) {
  RevocationRecord revocation;
  revocation.kind = RevocationKind::kSession;
  revocation.target = id;
  revocation.began_until = absl::UnixEpoch();
  revocation.created_at = now;
  const bool has_session_token = session.kind == SessionKind::kSessionToken;
  revocation.expires_at = has_session_token ? std::max(expires_at, session.expires_at) : expires_at;
  return revocation;
}

}  // namespace

absl::StatusOr<RevokeOutcome> GroupRevoker::Revoke(const Uuid& id, absl::Time now, absl::Time revocation_expires_at) {
  Wish mine{.id = id, .now = now, .revocation_expires_at = revocation_expires_at, .deadline = CurrentDeadline()};
  {
    MutexLock lock(mutex_);
    waiting_.push_back(&mine);
  }
  while (true) {
    const std::vector<Wish*> group = NextGroup(mine);
    if (group.empty()) return std::move(mine.outcome);
    Fulfil(group);
    {
      MutexLock lock(mutex_);
      at_work_ = false;
      for (Wish* wish : group) wish->done = true;
    }
    done_.NotifyAll();
  }
}

std::vector<GroupRevoker::Wish*> GroupRevoker::NextGroup(const Wish& mine) {
  MutexLock lock(mutex_);
  while (at_work_ && !mine.done) done_.Wait(mutex_);
  if (mine.done) return {};
  at_work_ = true;
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kMaxRows));
  std::vector<Wish*> group(waiting_.begin(), end);
  waiting_.erase(waiting_.begin(), end);
  return group;
}

void GroupRevoker::Fulfil(absl::Span<Wish* const> wishes) {
  absl::Time deadline = absl::InfinitePast();  // whose own is earlier waits for the others
  for (const Wish* wish : wishes) deadline = std::max(deadline, wish->deadline);
  const ScopedDeadline scope(deadline);
  std::vector<RevocationRecord> appended;
  const absl::Status status = database_.Run(
      Database::Write::kTransaction, [&](Connection& connection) { return RevokeAllOf(connection, wishes, appended); },
      [&](Connection& connection) -> absl::StatusOr<bool> {
        if (appended.empty()) return false;
        const auto found = FindAppended(connection, appended.front());
        if (!found.ok()) return found.status();
        return found->has_value();
      });
  if (status.ok()) return;
  for (Wish* wish : wishes) wish->outcome = status;
}

absl::Status GroupRevoker::RevokeAllOf(Connection& connection, absl::Span<Wish* const> wishes,
                                       std::vector<RevocationRecord>& appended) {
  appended.clear();
  std::vector<Wish*> ended;
  std::vector<Uuid> ids;
  for (Wish* wish : wishes) {
    ids.push_back(wish->id);
    wish->outcome = RevokeOutcome();
    if (Query(connection, Sql::kRevokeSession).BindTime(wish->now).BindId(wish->id).Run() == 1) ended.push_back(wish);
  }
  const absl::flat_hash_map<Uuid, Ended> sessions = FindSessions(connection, ids);
  for (Wish* wish : wishes) {
    if (!sessions.contains(wish->id)) wish->outcome = absl::NotFoundError("no such session");
  }
  for (const Wish* wish : ended) {
    appended.push_back(RevocationOf(wish->id, sessions.at(wish->id), wish->now, wish->revocation_expires_at));
  }
  if (auto status = AppendRevocations(connection, absl::MakeSpan(appended)); !status.ok()) return status;
  for (size_t i = 0; i < ended.size(); ++i) {
    ended[i]->outcome = RevokeOutcome{.newly_revoked = true, .revocation = appended[i]};
  }
  return absl::OkStatus();
}

}  // namespace watchword::mysql
