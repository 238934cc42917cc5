#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/service/credentials.h"
#include "server/service/environment.h"
#include "server/service/session_cache.h"
#include "watchword/base/sharded_cache.h"
#include "watchword/trust/checker.h"

namespace watchword {

// What Validate says of a credential.
struct Validation {
  bool active = false;
  std::string reason;  // why not: TOKEN_INVALID, TOKEN_EXPIRED or TOKEN_REVOKED. The rest is set only if active
  SessionKind kind = SessionKind::kAccessToken;
  std::string subject;
  std::string username;
  PrincipalKind principal_kind = PrincipalKind::kUser;
  std::string session_id;
  std::vector<std::string> audiences;
  std::vector<std::string> scopes;
  absl::Time expires_at;
  std::string certificate_sha256;  // of the client certificate that it is bound to, or empty
  absl::Time session_expires_at;   // these two for a session token only
  absl::Duration idle_timeout;
};

// Says whether a credential is good. Access tokens are judged by signature and trust state alone; a session token costs
// one look-up the first time it is seen, and so does the principal of an access token, whose name and kind it does not
// tell.
//
// Thread-safe.
class ValidateQuery {
 public:
  // Borrows `sessions`, which must outlive this.
  ValidateQuery(const Environment& environment, SessionCache& sessions);

  // Judges `credential`. A bad one is an answer; errors are those of executors and store only.
  void Run(std::string credential, absl::Time deadline, Done<Validation> done);

  // Who calls, for methods that can be called anonymously but not so by everybody: the credential `caller`.
  struct Caller {
    std::string credential;
    std::string certificate_sha256;  // of the call's connection, if any
  };
  // OK if the caller's credential is for this server and has one of `scopes`. UNAUTHENTICATED with the reason if it is
  // bad or for others, PERMISSION_DENIED (INSUFFICIENT_SCOPE) if it has none of them. For a success the answer is the
  // caller's validation.
  void RunForCaller(Caller caller, std::vector<std::string> scopes, absl::Time deadline, Done<Validation> done);

  // Run, for somebody with the scope `watchword.validate` or `watchword.verifier` (see RunForCaller).
  void RunFor(Caller caller, std::string credential, absl::Time deadline, Done<Validation> done);

 private:
  // Whether a token that is not good here may have been signed by a key that this server could not read yet.
  bool MayBeOfANewerKey(const std::string& token) const;
  void ValidateAccessToken(const std::string& credential, absl::Time deadline, Done<Validation> done);
  void ValidateSessionToken(const std::string& credential, absl::Time deadline, Done<Validation> done);
  absl::StatusOr<Validation> LookUpSession(const std::string& digest);
  Validation JudgeSession(SessionCache::Entry& entry, absl::Time now) const;

  const Environment environment_;
  SessionCache& sessions_;
  CredentialChecker checker_;
  struct Who {
    std::string name;
    PrincipalKind kind = PrincipalKind::kUser;
  };
  ShardedCache<Who> principals_;  // by subject: neither ever changes
};

}  // namespace watchword
