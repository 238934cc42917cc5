#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/store.h"
#include "watchword/base/clock.h"
#include "watchword/base/log.h"
#include "watchword/base/mutex.h"
#include "watchword/base/random.h"
#include "watchword/trust/trust_state.h"

namespace watchword {

// Follows the revocation log and tells everybody who listens: the server's own trust state, and the trust feeds of
// verifiers. A thread reads the log when it is poked, and every 50 ms for what others have written.
//
// Nothing is queued for a listener: it is only told that there is news, and reads from where it is, from the newest
// entries that are kept in memory or, if it is further behind, from the store. A slow one holds up nobody and costs no
// memory.
//
// It also notices when the log is not the one any more that it was: entries are missing that were there, as when a
// backup was put back or a primary failed before its replica had everything. Then it begins another epoch, so that
// every server and every verifier starts anew; what they hold stays revoked.
//
// Thread-safe.
class Feed {
 public:
  // Told that there is something new. Called on the feed's threads, one at a time: must not block nor call back into
  // the feed's Subscribe or Unsubscribe.
  class Listener {
   public:
    virtual ~Listener() = default;
    // The log has grown, or the keys have changed.
    virtual void OnNews() = 0;
    // A second has passed and the log could be read during it.
    virtual void OnHeartbeat() = 0;
    // Every 50 ms, whether or not the log can be read. For what has to be done in time.
    virtual void OnTick() {}
    // The log is another one: what was said of the old one does not count any more.
    virtual void OnNewEpoch() {}
    // The feed has stopped.
    virtual void OnEnd() = 0;
  };

  // Borrows all, which must outlive this.
  Feed(RevocationLog& revocations, TrustState& trust, const Clock& clock, RandomSource& random, Logger& log);
  ~Feed();  // stops, if Stop was not called
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  // Loads the revocations in force into the trust state and starts following. Blocks; an error is the store's.
  absl::Status Start();
  // Stops following and ends all listeners. Idempotent.
  void Stop();

  // Says that the log has grown. For whoever has just revoked something.
  void Announce(const RevocationRecord& revocation);
  // Says that the public keys have changed.
  void AnnounceKeys();

  // Whether the feed is still running, so that `listener` will be told.
  [[nodiscard]] bool Subscribe(Listener* listener);
  // When this returns, `listener` is not being called and will not be called again.
  void Unsubscribe(Listener* listener);

  struct Position {
    std::string epoch;
    uint64_t head_seq = 0;
  };
  Position position() const;

  // The entries after `seq` in order, at most `limit`, from memory. OUT_OF_RANGE if `seq` is older than what is kept
  // there: read the store.
  absl::StatusOr<std::vector<RevocationRecord>> RecentAfter(uint64_t seq, size_t limit) const;

 private:
  // What was found in the log.
  enum class News { kNone, kEntries, kNewEpoch };

  void Run();
  void Tick();
  // Waits until poked, or for the interval. Whether to go on.
  bool Pause();
  bool TakeKeysChanged();
  // Reads the log from its beginning: every revocation that is kept.
  absl::Status Load();
  // Reads what is new in the log.
  absl::StatusOr<News> Follow();
  // Reads the entries after the position and takes them; how many there were. FAILED_PRECONDITION if the log does not
  // hold the last entry that was read before.
  absl::StatusOr<size_t> ReadOn();
  void Take(std::vector<RevocationRecord> entries);
  // The log is not the one that was read: begins another epoch, unless somebody has, and loads it.
  absl::Status StartAnew(const RevocationLog::Head& head);
  void Tell(void (Listener::*what)());

  RevocationLog& revocations_;
  TrustState& trust_;
  const Clock& clock_;
  RandomSource& random_;
  Logger& log_;
  std::optional<RevocationRecord> last_;  // that was read; the thread's own

  mutable Mutex mutex_;
  CondVar wake_;
  CondVar stopped_;
  bool poked_ ABSL_GUARDED_BY(mutex_) = false;
  bool keys_changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Position position_ ABSL_GUARDED_BY(mutex_);
  std::deque<RevocationRecord> recent_ ABSL_GUARDED_BY(mutex_);  // consecutive, up to position_.head_seq

  mutable Mutex listeners_mutex_;  // held while listeners are called
  absl::flat_hash_set<Listener*> listeners_ ABSL_GUARDED_BY(listeners_mutex_);
  bool ended_ ABSL_GUARDED_BY(listeners_mutex_) = false;
  std::thread thread_;
  std::thread ticker_;
};

// The entry as verifiers keep it.
Revocation ToRevocation(const RevocationRecord& record);

}  // namespace watchword
