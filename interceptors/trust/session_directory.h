#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "watchword/base/clock.h"
#include "watchword/base/mutex.h"
#include "watchword/base/sharded_cache.h"
#include "watchword/base/sharded_counter.h"
#include "watchword/token/credential.h"

namespace watchword {

// The session tokens that a verifier has met. Nothing in such a token can be checked here, so the auth service is asked
// the first time it is seen, once for all who show it meanwhile; from then on it is known until its session ends.
// Whether it was revoked is not known here: ask the trust state. Refusals are remembered for a while, and look-ups
// limited, so that garbage sent to one service cannot become load on the auth service. Outages are never remembered.
//
// Thread-safe.
class SessionDirectory {
 public:
  using Verdict = absl::StatusOr<std::shared_ptr<const VerifiedCredential>>;

  // What the auth service says of a good session token.
  struct Session {
    Claims claims;                // `expires_at`: when the session ends, however much it is used
    absl::Duration idle_timeout;  // how long after its last use the token stops working
  };

  // Asks the auth service.
  class Source {
   public:
    virtual ~Source() = default;
    // Calls `done` once, on any thread: UNAUTHENTICATED with a reason for a bad token, any other error for an outage.
    virtual void LookUp(const std::string& credential, absl::AnyInvocable<void(absl::StatusOr<Session>)> done) = 0;
  };

  struct Limits {
    size_t sessions = 65'536;
    size_t refusals = 16'384;                           // remembered
    absl::Duration refusal_memory = absl::Seconds(10);  // how long
    size_t look_ups_under_way = 256;
    size_t waiting = 10'000;  // calls held back for the look-ups under way, many of which may be of one token
    int look_ups_per_second = 100;
    int burst = 200;
  };

  // Borrows both, which must outlive this. Nothing may be looked up any more when it is destroyed.
  SessionDirectory(Source& source, const Clock& clock, Limits limits);
  SessionDirectory(Source& source, const Clock& clock) : SessionDirectory(source, clock, Limits()) {}

  // What is known of a token: its session, which counts as used now, or UNAUTHENTICATED with TOKEN_INVALID,
  // TOKEN_EXPIRED or TOKEN_REVOKED. A malformed token is TOKEN_INVALID. std::nullopt: it must be looked up; also if it
  // was idle here for too long, since it may have been used elsewhere.
  std::optional<Verdict> Find(absl::string_view token);

  // Asks about a token that Find does not know. `done` is called once, perhaps before this returns: as Find's answer,
  // or UNAVAILABLE (TRUST_UNAVAILABLE) if the auth service cannot be asked, or RESOURCE_EXHAUSTED (LOOKUP_LIMITED).
  void LookUp(const std::string& token, absl::AnyInvocable<void(Verdict)> done);

  // A session whose token was used.
  struct Use {
    std::string session_id;
    absl::Time last_used_at;
  };
  // The uses since they were last taken, at most `limit`; the rest is left for the next time.
  std::vector<Use> TakeUses(size_t limit);

  uint64_t look_ups() const { return look_ups_.Value(); }

 private:
  struct Entry {
    std::shared_ptr<const VerifiedCredential> credential;
    absl::Duration idle_timeout;
    std::atomic<int64_t> last_used_micros{0};
    std::atomic<int64_t> reported_micros{0};
  };
  struct Refusal {
    absl::Status status;
    absl::Duration until;  // since boot
  };
  using Waiting = std::vector<absl::AnyInvocable<void(Verdict)>>;

  static Verdict NoteUse(Entry& entry, absl::Time now);
  // Whether another look-up may be made now.
  bool TakeTicket() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Answer(const std::string& token, absl::StatusOr<Session> session);
  Verdict Remember(const std::string& token, absl::StatusOr<Session> session);

  Source& source_;
  const Clock& clock_;
  const Limits limits_;
  ShardedCache<std::shared_ptr<Entry>> sessions_;
  ShardedCache<Refusal> refusals_;
  ShardedCounter look_ups_;
  Mutex mutex_;
  absl::flat_hash_map<std::string, Waiting> under_way_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  double tickets_ ABSL_GUARDED_BY(mutex_);
  absl::Duration tickets_at_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace watchword
