#include "server/service/logout.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/crypto/session_secrets.h"
#include "server/service/errors.h"
#include "server/service/feed.h"
#include "server/service/on_executor.h"
#include "watchword/token/opaque_token.h"

namespace watchword {

LogoutCommand::LogoutCommand(const Environment& environment)
    : environment_(environment),
      verifier_(*TokenVerifier::Create(
          {.issuer = environment.settings.issuer, .max_lifetime = kMaxAccessTokenTtl, .any_audience = true})) {}

void LogoutCommand::Run(Request request, Done<Ended> done) {
  if (request.refresh_token.empty() && request.bearer.empty()) {
    return done(InvalidField("refresh_token", "must be set, or send `authorization: Bearer …` metadata"));
  }
  if (!request.refresh_token.empty() && !absl::StartsWith(request.refresh_token, kRefreshTokenPrefix)) {
    return done(InvalidField("refresh_token", absl::StrCat("must begin with ", kRefreshTokenPrefix)));
  }
  const absl::Time deadline = request.deadline;
  const bool wait = request.wait_for_verifiers;
  OnExecutor<Outcome>(
      environment_.store_executor, deadline, [this, request = std::move(request)] { return LogOut(request); },
      [this, deadline, wait, done = std::move(done)](const absl::StatusOr<Outcome>& outcome) mutable {
        if (!outcome.ok()) return done(outcome.status());
        Ended ended;
        if (outcome->target.has_value()) {
          ended.subject = outcome->target->principal.ToString();
          ended.session = outcome->target->session.ToString();
        }
        if (!wait) return done(std::move(ended));
        environment_.verifiers.WaitFor(
            outcome->seq, std::min(deadline - kReplyMargin, environment_.clock.Now() + kMaxWait),
            [ended = std::move(ended), done = std::move(done)](const Verifiers::Tally& tally) mutable {
              static_cast<Verifiers::Tally&>(ended) = tally;
              done(std::move(ended));
            });
      });
}

absl::StatusOr<LogoutCommand::Outcome> LogoutCommand::LogOut(const Request& request) {
  const absl::StatusOr<std::optional<Target>> target = FindTarget(request);
  if (!target.ok()) return StoreFailed(target.status());
  if (target->has_value()) {
    const absl::StatusOr<std::optional<uint64_t>> ended = End(**target, request.all_sessions);
    if (!ended.ok()) return ended.status();
    if (ended->has_value()) return Outcome{**ended, **target};
  }
  // If it was ended before, by anybody, that is in the log already.
  if (!request.wait_for_verifiers) return Outcome();
  const absl::StatusOr<RevocationLog::Head> head = environment_.store.revocations().GetHead();
  if (!head.ok()) return StoreFailed(head.status());
  return Outcome{.seq = head->seq};
}

absl::StatusOr<std::optional<LogoutCommand::Target>> LogoutCommand::FindTarget(const Request& request) {
  const absl::StatusOr<SessionView> view = FindSession(request);
  if (view.status().code() == absl::StatusCode::kNotFound) return std::nullopt;
  if (!view.ok()) return view.status();
  // A credential of a session that is over ends nothing any more: whoever stole it must not end the others.
  if (view->revoked() || !BindingHolds(environment_, *view)) return std::nullopt;
  if (request.all_sessions && HasExpired(view->session, environment_.clock.Now())) return std::nullopt;
  return Target{view->session.id, view->principal.id};
}

absl::StatusOr<SessionView> LogoutCommand::FindSession(const Request& request) {
  SessionStore& sessions = environment_.store.sessions();
  const absl::Status meaningless = absl::NotFoundError("the credential is not of this server");
  if (!request.refresh_token.empty()) {
    const auto token = ParseRefreshToken(request.refresh_token, environment_.keys.refresh_token_key());
    return token.ok() ? sessions.Find(token->session_id) : meaningless;
  }
  if (absl::StartsWith(request.bearer, kSessionTokenPrefix)) {
    return ParseSessionToken(request.bearer).ok() ? sessions.FindByTokenDigest(Sha256(request.bearer)) : meaningless;
  }
  const auto credential =
      verifier_.VerifyEvenIfExpired(request.bearer, *environment_.trust.keys(), environment_.clock.Now());
  if (!credential.ok()) return meaningless;
  const absl::StatusOr<Uuid> session = Uuid::Parse(credential->claims().session_id);
  return session.ok() ? sessions.Find(*session) : meaningless;
}

absl::StatusOr<std::optional<uint64_t>> LogoutCommand::End(const Target& target, bool all_sessions) {
  const absl::Time now = environment_.clock.Now();
  std::optional<uint64_t> seq;
  absl::Status status;
  if (all_sessions) {
    const auto revoked = environment_.store.sessions().RevokeAll(target.principal, now, RevocationExpiresAt(now));
    if (revoked.ok()) {
      environment_.feed.Announce(*revoked);
      seq = revoked->seq;
    }
    status = revoked.status();
  } else {
    const auto revoked = environment_.store.sessions().Revoke(target.session, now, RevocationExpiresAt(now));
    if (revoked.ok() && revoked->newly_revoked) {
      environment_.feed.Announce(revoked->revocation);
      seq = revoked->revocation.seq;
    }
    status = revoked.status();
  }
  if (status.code() == absl::StatusCode::kNotFound) return seq;  // expired and deleted meanwhile
  if (!status.ok()) return StoreFailed(status);
  environment_.log.Info("logout", {{"subject", target.principal.ToString()},
                                   {"session", target.session.ToString()},
                                   {"all_sessions", all_sessions ? "true" : "false"}});
  return seq;
}

}  // namespace watchword
