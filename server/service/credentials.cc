#include "server/service/credentials.h"

#include <algorithm>
#include <utility>

#include "server/crypto/access_token.h"
#include "server/crypto/session_secrets.h"
#include "server/service/errors.h"
#include "watchword/base/reason.h"
#include "watchword/token/reasons.h"

namespace watchword {

absl::StatusOr<IssuedCredential> IssueAccessToken(const Environment& environment, const SessionView& view,
                                                  int64_t generation, const std::string& certificate_sha256,
                                                  absl::Time now) {
  const auto& [session, principal] = view;
  const absl::Time issued_at = absl::FromUnixSeconds(absl::ToUnixSeconds(now));
  const absl::Time limit = std::min(now + environment.settings.access_token_ttl, session.expires_at);
  const absl::Time expires_at = absl::FromUnixSeconds(absl::ToUnixSeconds(limit));
  if (expires_at <= issued_at) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenExpired, "the session is over; log in again");
  }
  absl::StatusOr<Uuid> token_id = Uuid::NewV7(now, environment.random);
  if (!token_id.ok()) return token_id.status();
  const absl::StatusOr<SigningKey> key = environment.keys.active_key();
  if (!key.ok()) return key.status();
  absl::StatusOr<std::string> token = SignAccessToken(*key, {.issuer = environment.settings.issuer,
                                                             .subject = principal.id.ToString(),
                                                             .session_id = session.id.ToString(),
                                                             .token_id = token_id->ToString(),
                                                             .audiences = session.audiences,
                                                             .scopes = session.scopes,
                                                             .issued_at = issued_at,
                                                             .expires_at = expires_at,
                                                             .username = session.include_username ? principal.name : "",
                                                             .certificate_sha256 = certificate_sha256});
  if (!token.ok()) return token.status();
  return IssuedCredential{
      .credential = *std::move(token),
      .expires_at = expires_at,
      .refresh_token = FormatRefreshToken(
          {.session_id = session.id, .generation = generation, .certificate_sha256 = certificate_sha256},
          environment.keys.refresh_token_key()),
      .session_id = session.id.ToString(),
      .scopes = session.scopes,
      .subject = principal.id.ToString(),
  };
}

absl::Time RevocationExpiresAt(absl::Time now) { return now + kMaxAccessTokenTtl + kMaxLeeway; }

bool BindingHolds(const Environment& environment, const SessionView& view) {
  const std::string expected = SessionBinding(environment.keys.session_binding_key(), view.session.id,
                                              view.principal.id, view.session.token_digest);
  if (EqualInConstantTime(expected, view.session.binding)) return true;
  environment.log.Error("a session row in the store was tampered with; its credentials are refused",
                        {{"session", view.session.id.ToString()}, {"subject", view.principal.id.ToString()}});
  return false;
}

bool HasExpired(const SessionRecord& session, absl::Time now) {
  return now >= session.expires_at || now >= session.idle_expires_at;
}

}  // namespace watchword
