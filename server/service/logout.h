#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "server/service/credentials.h"
#include "server/service/environment.h"
#include "watchword/token/verifier.h"

namespace watchword {

// Ends the session of a credential, or all sessions of its principal. Says nothing about credentials that mean nothing
// here (RFC 7009 section 2.2): they are OK too.
//
// Thread-safe.
class LogoutCommand {
 public:
  struct Request {
    std::string bearer;         // an access token, even if expired, or a session token
    std::string refresh_token;  // takes precedence
    bool all_sessions = false;
    absl::Time deadline;
  };

  struct Ended {};  // the answer says nothing

  explicit LogoutCommand(const Environment& environment);

  // When this answers OK, no refresh of the session succeeds, this server refuses its credentials, and the revocation
  // is on its way to the verifiers. Errors: INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAVAILABLE, DEADLINE_EXCEEDED.
  void Run(Request request, Done<Ended> done);

 private:
  struct Target {
    Uuid session;
    Uuid principal;
  };

  absl::StatusOr<Ended> LogOut(const Request& request);
  // The session of the request's credential; std::nullopt if it is of none that could be ended.
  absl::StatusOr<std::optional<Target>> FindTarget(const Request& request);
  absl::StatusOr<SessionView> FindSession(const Request& request);
  absl::StatusOr<Ended> End(const Target& target, bool all_sessions);

  const Environment environment_;
  const TokenVerifier verifier_;
};

}  // namespace watchword
