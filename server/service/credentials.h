#pragma once

#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/service/environment.h"
#include "server/store/records.h"

namespace watchword {

// What Login and Refresh hand out.
struct IssuedCredential {
  std::string credential;
  absl::Time expires_at;
  std::string refresh_token;  // empty for the session-token kind
  std::string session_id;
  std::vector<std::string> scopes;
  std::string subject;  // whose it is
};

// How a use case answers: called exactly once, on some thread.
template <typename T>
using Done = absl::AnyInvocable<void(absl::StatusOr<T>)>;

// A new access token of the session, ending no later than the session does, with the refresh token of `generation`;
// both bound to the client certificate with this SHA-256, unless that is empty.
// INVALID_ARGUMENT if it would be too long. UNAUTHENTICATED (TOKEN_EXPIRED) if the session has less than a second left.
absl::StatusOr<IssuedCredential> IssueAccessToken(const Environment& environment, const SessionView& view,
                                                  int64_t generation, const std::string& certificate_sha256,
                                                  absl::Time now);

// When a revocation made at `now` may be forgotten: every access token that exists then has expired. The stores keep
// the revocation of a session token's session until that session's own end, if that is later.
absl::Time RevocationExpiresAt(absl::Time now);

// Whether the row of a session belongs to the principal it names; logs an alarm if not.
bool BindingHolds(const Environment& environment, const SessionView& view);

// Whether the session is past its end or was not used for too long.
bool HasExpired(const SessionRecord& session, absl::Time now);

}  // namespace watchword
