#include "server/service/sessions.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/service/accounts.h"
#include "server/service/errors.h"
#include "server/service/feed.h"
#include "server/service/on_executor.h"
#include "watchword/base/reason.h"

namespace watchword {

void Sessions::List(std::string username, std::string before, size_t limit, absl::Time deadline,
                    Done<std::vector<SessionRecord>> done) {
  Uuid before_id;
  if (!before.empty()) {
    const absl::StatusOr<Uuid> parsed = Uuid::Parse(before);
    if (!parsed.ok()) return done(InvalidField("page_token", "must be the next_page_token of the page before"));
    before_id = *parsed;
  }
  OnExecutor<std::vector<SessionRecord>>(
      environment_.store_executor, deadline,
      [this, username = std::move(username), before_id, limit]() -> absl::StatusOr<std::vector<SessionRecord>> {
        const absl::StatusOr<PrincipalRecord> principal = FindUser(environment_, username);
        if (!principal.ok()) return principal.status();
        auto sessions =
            environment_.store.sessions().ListLive(principal->id, environment_.clock.Now(), before_id, limit);
        if (!sessions.ok()) return StoreFailed(sessions.status());
        return sessions;
      },
      std::move(done));
}

void Sessions::Revoke(std::string session_id, absl::Time deadline, Done<Uuid> done) {
  const absl::StatusOr<Uuid> id = Uuid::Parse(session_id);
  if (!id.ok()) return done(InvalidField("session_id", id.status().message()));
  OnExecutor<Uuid>(
      environment_.store_executor, deadline,
      [this, id = *id]() -> absl::StatusOr<Uuid> {
        const absl::Time now = environment_.clock.Now();
        const auto outcome = environment_.store.sessions().Revoke(id, now, RevocationExpiresAt(now));
        if (outcome.status().code() == absl::StatusCode::kNotFound) {
          return ErrorWithReason(absl::StatusCode::kNotFound, kSessionNotFound,
                                 absl::StrCat("there is no session ", id.ToString()));
        }
        if (!outcome.ok()) return StoreFailed(outcome.status());
        if (outcome->newly_revoked) environment_.feed.Announce(outcome->revocation);
        environment_.log.Info("session revoked", {{"session", id.ToString()}});
        return id;
      },
      std::move(done));
}

void Sessions::RevokeAll(std::string username, absl::Time deadline, Done<Uuid> done) {
  OnExecutor<Uuid>(
      environment_.store_executor, deadline,
      [this, username = std::move(username)]() -> absl::StatusOr<Uuid> {
        const absl::StatusOr<PrincipalRecord> principal = FindUser(environment_, username);
        if (!principal.ok()) return principal.status();
        const absl::Time now = environment_.clock.Now();
        const auto revoked = environment_.store.sessions().RevokeAll(principal->id, now, RevocationExpiresAt(now));
        if (!revoked.ok()) return StoreFailed(revoked.status());
        environment_.feed.Announce(*revoked);
        environment_.log.Info("all sessions revoked", {{"user", principal->name}});
        return principal->id;
      },
      std::move(done));
}

}  // namespace watchword
