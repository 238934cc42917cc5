#include "server/service/refresh.h"

#include <algorithm>
#include <utility>

#include "server/crypto/session_secrets.h"
#include "server/domain/refresh_rules.h"
#include "server/service/audit_log.h"
#include "server/service/errors.h"
#include "server/service/feed.h"
#include "server/service/on_executor.h"
#include "watchword/base/reason.h"
#include "watchword/token/reasons.h"

namespace watchword {
namespace {

absl::Status Refused(absl::string_view reason, absl::string_view detail) {
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, reason, detail);
}

absl::Status CheckLive(const SessionView& view, absl::Time now) {
  if (view.revoked()) return Refused(kTokenRevoked, "the session was ended; log in again");
  if (HasExpired(view.session, now)) return Refused(kTokenExpired, "the session is over; log in again");
  return absl::OkStatus();
}

}  // namespace

void RefreshCommand::Run(std::string refresh_token, std::string certificate_sha256, absl::Time deadline,
                         Done<IssuedCredential> done) {
  if (refresh_token.empty()) return done(InvalidField("refresh_token", "must not be empty"));
  OnExecutor<IssuedCredential>(
      environment_.store_executor, deadline,
      [this, refresh_token = std::move(refresh_token), certificate_sha256 = std::move(certificate_sha256)] {
        return Refresh(refresh_token, certificate_sha256);
      },
      std::move(done));
}

absl::StatusOr<IssuedCredential> RefreshCommand::Refresh(absl::string_view refresh_token,
                                                         const std::string& certificate_sha256) {
  const absl::StatusOr<RefreshToken> token = ParseRefreshToken(refresh_token, environment_.keys.refresh_token_key());
  if (!token.ok()) return Refused(kTokenInvalid, "not a refresh token of this server");
  if (!token->certificate_sha256.empty() && token->certificate_sha256 != certificate_sha256) {
    return Refused(kTokenInvalid, "the refresh token is bound to another client certificate");
  }
  const absl::Time now = environment_.clock.Now();
  // A lost race is judged again, once: by then the winner has moved the session on.
  for (int attempt = 0; attempt < 2; ++attempt) {
    absl::StatusOr<SessionView> view = environment_.store.sessions().Find(token->session_id);
    if (view.status().code() == absl::StatusCode::kNotFound) {
      return Refused(kTokenExpired, "the session is over; log in again");  // rows outlive their sessions for a while
    }
    if (!view.ok()) return StoreFailed(view.status());
    if (!BindingHolds(environment_, *view)) return Refused(kTokenInvalid, "not a refresh token of this server");
    if (auto status = CheckLive(*view, now); !status.ok()) return status;
    const SessionRecord& session = view->session;
    switch (JudgeRefresh(token->generation, session.generation, session.rotated_at, now,
                         environment_.settings.refresh_grace)) {
      case RefreshVerdict::kReused:
        return EndStolenSession(session, now);
      case RefreshVerdict::kRepeat:
        return IssueAccessToken(environment_, *view, session.generation, token->certificate_sha256, now);
      case RefreshVerdict::kRotate:
        break;
    }
    // Issued before the session moves on, so that whatever cannot be issued uses up no token.
    absl::StatusOr<IssuedCredential> issued =
        IssueAccessToken(environment_, *view, session.generation + 1, token->certificate_sha256, now);
    if (!issued.ok()) return issued;
    const absl::Time idle_expires_at = std::min(now + environment_.settings.session_idle_timeout, session.expires_at);
    absl::StatusOr<bool> rotated =
        environment_.store.sessions().Rotate(session.id, session.generation, now, idle_expires_at);
    if (!rotated.ok()) return StoreFailed(rotated.status());
    if (*rotated) return issued;
  }
  return ErrorWithReason(absl::StatusCode::kUnavailable, kStoreUnavailable,
                         "the session is being changed by somebody else; try again");
}

absl::Status RefreshCommand::EndStolenSession(const SessionRecord& session, absl::Time now) {
  environment_.log.Warning("a refresh token was used twice; its session is ended",
                           {{"session", session.id.ToString()}, {"subject", session.principal.ToString()}});
  absl::StatusOr<RevokeOutcome> revoked =
      environment_.store.sessions().Revoke(session.id, now, RevocationExpiresAt(now));
  if (!revoked.ok()) return StoreFailed(revoked.status());
  if (revoked->newly_revoked) environment_.feed.Announce(revoked->revocation);
  return WithAuditNote(
      Refused(kRefreshTokenReused, "this refresh token was used before, so the session was ended; log in again"),
      {.target = {.subject = session.principal.ToString(), .session = session.id.ToString()}});
}

}  // namespace watchword
