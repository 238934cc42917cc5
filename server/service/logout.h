#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "server/service/credentials.h"
#include "server/service/environment.h"
#include "server/service/verifiers.h"
#include "watchword/token/verifier.h"

namespace watchword {

// Ends the session of a credential, or all sessions of its principal, and can wait until every verifier knows. Says
// nothing about credentials that mean nothing here (RFC 7009 section 2.2): they are OK too.
//
// Thread-safe.
class LogoutCommand {
 public:
  struct Request {
    std::string bearer;         // an access token, even if expired, or a session token
    std::string refresh_token;  // takes precedence
    bool all_sessions = false;
    bool wait_for_verifiers = false;
    absl::Time deadline;
  };

  // The tally is all 0 unless the verifiers were waited for. Whose session was ended, and which, is for the audit log
  // and not for the caller; both are empty if none was.
  struct Ended : Verifiers::Tally {
    std::string subject;
    std::string session;
  };

  explicit LogoutCommand(const Environment& environment);

  // When this answers OK, no refresh of the session succeeds, this server refuses its credentials, and the revocation
  // is on its way to the verifiers; if they are waited for, it answers when all live ones have applied it, at the
  // latest kReplyMargin before the deadline or after kMaxWait. Errors: INVALID_ARGUMENT, RESOURCE_EXHAUSTED,
  // UNAVAILABLE, DEADLINE_EXCEEDED.
  void Run(Request request, Done<Ended> done);

  static constexpr absl::Duration kReplyMargin = absl::Milliseconds(100);
  static constexpr absl::Duration kMaxWait = absl::Seconds(10);

 private:
  struct Target {
    Uuid session;
    Uuid principal;
  };

  struct Outcome {
    uint64_t seq = 0;              // in the revocation log, by which the session is ended; 0 if nobody waits for it
    std::optional<Target> target;  // what was ended just now
  };
  absl::StatusOr<Outcome> LogOut(const Request& request);
  // The session of the request's credential; std::nullopt if it is of none that could be ended.
  absl::StatusOr<std::optional<Target>> FindTarget(const Request& request);
  absl::StatusOr<SessionView> FindSession(const Request& request);
  // The `seq` of the entry that ended it; std::nullopt if it was ended before.
  absl::StatusOr<std::optional<uint64_t>> End(const Target& target, bool all_sessions);

  const Environment environment_;
  const TokenVerifier verifier_;
};

}  // namespace watchword
