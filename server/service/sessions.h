#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/service/credentials.h"
#include "server/service/environment.h"

namespace watchword {

// What administrators do with sessions.
//
// Thread-safe.
class Sessions {
 public:
  explicit Sessions(const Environment& environment) : environment_(environment) {}

  // Beside the errors named here: INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAVAILABLE, DEADLINE_EXCEEDED.

  // The user's live sessions that are older than `before`, a session id, or all if that is empty; newest first, at most
  // `limit`. NOT_FOUND (USER_NOT_FOUND).
  void List(std::string username, std::string before, size_t limit, absl::Time deadline,
            Done<std::vector<SessionRecord>> done);

  // Ends one session. NOT_FOUND (SESSION_NOT_FOUND); one that was ended before is OK.
  void Revoke(std::string session_id, absl::Time deadline, Done<Uuid> done);

  // Ends all sessions of a user. NOT_FOUND (USER_NOT_FOUND).
  void RevokeAll(std::string username, absl::Time deadline, Done<Uuid> done);

 private:
  const Environment environment_;
};

}  // namespace watchword
