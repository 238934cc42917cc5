#pragma once

#include <string>

#include "absl/time/time.h"
#include "server/service/credentials.h"
#include "server/service/environment.h"

namespace watchword {

// Trades a refresh token for the next access token. Of any number of requests with the same token that race, one moves
// the session on and all get the same successor; a token that was used before the grace period ends its session
// everywhere, since two parties hold it and one of them is a thief (RFC 9700 section 4.14.2).
//
// Thread-safe.
class RefreshCommand {
 public:
  explicit RefreshCommand(const Environment& environment) : environment_(environment) {}

  // Errors: INVALID_ARGUMENT, UNAUTHENTICATED (TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_REVOKED, REFRESH_TOKEN_REUSED),
  // RESOURCE_EXHAUSTED (OVERLOADED), UNAVAILABLE, DEADLINE_EXCEEDED.
  // `certificate_sha256` is that of the connection's client certificate, if any: a token that is bound to another one
  // is TOKEN_INVALID, and uses up nothing.
  void Run(std::string refresh_token, std::string certificate_sha256, absl::Time deadline, Done<IssuedCredential> done);

 private:
  absl::StatusOr<IssuedCredential> Refresh(absl::string_view refresh_token, const std::string& certificate_sha256);
  absl::Status EndStolenSession(const SessionRecord& session, absl::Time now);

  const Environment environment_;
};

}  // namespace watchword
