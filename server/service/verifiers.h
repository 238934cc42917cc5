#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "server/service/feed.h"
#include "watchword/base/clock.h"
#include "watchword/base/mutex.h"

namespace watchword {

// Who watches the trust feed and how much of it each has applied, so that a logout can wait until it has reached
// everybody. A verifier is live while its feed is open; one whose feed ended counts as lost until it comes back or as
// long as access tokens may live that were good then. Those that watch other servers of the same store are known from
// what VerifierExchange brings.
//
// Thread-safe. Holds no thread while something waits: the feed's ticker answers what is overdue.
class Verifiers final : public Feed::Listener {
 public:
  struct Tally {
    size_t acknowledged = 0;  // live ones that have applied the entry
    size_t live = 0;
    size_t lost = 0;
  };

  // What a server knows of one of its verifiers.
  struct State {
    std::string instance;
    bool live = false;
    uint64_t acknowledged_seq = 0;  // if live
    absl::Duration lost_for;        // if not
  };

  // One verifier's open feed.
  class Connection {
   private:
    friend class Verifiers;
    Connection(std::string instance, std::string name) : instance_(std::move(instance)), name_(std::move(name)) {}
    const std::string instance_, name_;
    uint64_t acknowledged_seq_ = 0;  // guarded by Verifiers::mutex_, as the next two
    absl::Duration heard_at_;
    std::vector<std::string> key_ids_;
  };

  // Borrows both, which must outlive this. Lost verifiers are remembered for `remember_lost`. `shared`: there may be
  // other servers; then nobody's wait ends before SetOthers was called with what was asked for after it began.
  Verifiers(Feed& feed, const Clock& clock, absl::Duration remember_lost, bool shared = false);
  ~Verifiers() override;

  // A verifier has come, of the service `name`. Takes the place of a feed that the same instance had before and that
  // has not ended yet, as when the network dropped its packets. `instance` is empty if it does not tell itself apart
  // from others: then it never comes back.
  std::shared_ptr<Connection> Connect(std::string instance, std::string name = {});
  // It has applied everything up to `seq`.
  void Acknowledge(Connection& connection, uint64_t seq);
  // It holds the keys with these ids, and no others.
  void AcknowledgeKeys(Connection& connection, std::vector<std::string> key_ids);
  // Its feed has ended. Idempotent.
  void Disconnect(const std::shared_ptr<Connection>& connection);

  // The ids of the keys that this server has published.
  void SetKeys(std::vector<std::string> key_ids);
  // Those of them that all live verifiers of this server hold.
  std::vector<std::string> OwnHeldKeys() const;
  // Whether every server that is there has published a key and every live verifier holds it. False if that is not
  // known, as when the others could not be asked lately.
  bool EverybodyHolds(const std::string& key_id) const;

  // How far `seq` has come, with all servers.
  Tally TallyOf(uint64_t seq) const;
  // Of this server alone: its verifiers, and the least that any live one has acknowledged (the largest number if there
  // is none).
  std::vector<State> OwnStates() const;
  Tally OwnTally() const;
  uint64_t LeastAcknowledged() const;
  // How far the verifiers of one service on this server are behind at most.
  struct Lag {
    uint64_t entries = 0;       // up to the head that is asked about
    absl::Duration silent_for;  // since the last acknowledgement; all is well below two heartbeats
  };
  // By the name of the service. At most kMaxNames names; what has others is under "other".
  std::map<std::string, Lag> LagByName(uint64_t head) const;
  // Grows with every change of OwnStates, other than the time that somebody has been lost for.
  uint64_t own_version() const;

  // Whether the verifiers of others are wanted at once, since somebody waits.
  bool WantsOthers() const;
  // Says that what the others know is going to be asked for; the number of this round, for SetOthers.
  uint64_t BeginRound();
  // What the others know of their verifiers, and the OwnHeldKeys of each that is there.
  void SetOthers(uint64_t round, const std::vector<State>& others,
                 std::vector<std::vector<std::string>> held_keys = {});

  // Calls `done` once: as soon as every live verifier has applied `seq`, at the latest at `deadline` or when the server
  // stops; at once if kMaxWaiting wait already. Perhaps before this returns, perhaps on the thread of somebody's
  // Acknowledge.
  void WaitFor(uint64_t seq, absl::Time deadline, absl::AnyInvocable<void(Tally)> done);

  void OnNews() override {}
  void OnHeartbeat() override {}
  void OnTick() override;
  void OnEnd() override;

  static constexpr size_t kMaxWaiting = 1000;
  static constexpr size_t kMaxNames = 50;

 private:
  static constexpr size_t kMaxLost = 10'000;
  // For how long what others have told says something of now.
  static constexpr absl::Duration kMaxAge = absl::Seconds(5);

  struct Waiting {
    uint64_t seq;
    uint64_t round;  // that must have ended
    absl::Time deadline;
    absl::AnyInvocable<void(Tally)> done;
  };

  Tally Count(uint64_t seq) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The least that any live verifier has acknowledged; the largest number if there is none.
  uint64_t Least() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What the verifier has acknowledged, whichever server it told.
  uint64_t AcknowledgedBy(const Connection& connection) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AllOwnHold(const std::string& key_id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsLive(const std::string& instance) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetLost() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Answers whatever need not wait any longer.
  void AnswerDue();

  Feed& feed_;
  const Clock& clock_;
  const absl::Duration remember_lost_;
  const bool shared_;
  mutable Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<std::string, std::shared_ptr<Connection>> live_ ABSL_GUARDED_BY(mutex_);  // by instance
  absl::flat_hash_map<std::string, absl::Duration> lost_ ABSL_GUARDED_BY(mutex_);  // by instance: since when
  uint64_t nameless_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t own_version_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, uint64_t> live_elsewhere_ ABSL_GUARDED_BY(mutex_);  // acknowledged, by instance
  absl::flat_hash_set<std::string> lost_elsewhere_ ABSL_GUARDED_BY(mutex_);            // by instance
  std::vector<std::string> key_ids_ ABSL_GUARDED_BY(mutex_);                           // published by this server
  std::vector<std::vector<std::string>> held_elsewhere_ ABSL_GUARDED_BY(mutex_);       // by each other server
  absl::Duration others_told_at_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  uint64_t begun_rounds_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t ended_round_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace watchword
