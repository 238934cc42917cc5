#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "watchword/base/clock.h"
#include "watchword/base/mutex.h"

namespace watchword {

// The connections to a gate's ports, and whether there may be another.
//
// They are limited in number, for each address and in all; the last quarter is for addresses that have few. And gRPC
// needs much longer to refuse or to give up a call than a client to bring it: one that comes, sends some hundreds,
// again and again, makes it hold gigabytes within seconds. So an address gets new connections slowly if its clients
// have left several that gRPC still holds, or if it has several while calls are being refused at a rate that only a
// flood explains.
//
// Nor does it get another one at once when one of its connections was broken off for what it brought.
//
// Connections that were there before do as much harm when all of them bring calls at once. So while calls without a
// credential are refused at that rate, and the process has grown much within ten seconds, those that have brought more
// than is read are broken off, of an address with several of them.
//
// gRPC tells nobody when it has let go of a connection. Then its socket is closed, which is what is looked for here.
//
// Thread-safe.
class Connections {
 public:
  struct Limits {
    int from_one_address = 0;  // or /64 of IPv6; more than 0
    // More than 0. At most three quarters of the files that the process may have open, so that there are some for
    // others.
    int in_all = 0;
    // How much the process may grow within ten seconds of a flood before connections are broken off, in bytes. Ten
    // thousand logins at once, each of which is to be answered, take some 110 MiB beside what hashing them takes.
    size_t growth = size_t{160} << 20;
  };
  // kLeft: its clients have left several that gRPC still holds. kFlood: it has several, and somebody floods. kBroken:
  // one of it was just broken off.
  enum class Answer { kTake, kTooMany, kTooManyFromAddress, kLeft, kFlood, kBroken };

  // What the process has to bear.
  struct Load {
    uint64_t refused = 0;                     // calls so far, for what they brought
    uint64_t refused_without_credential = 0;  // those that had none, and those beyond the budget for such calls
    size_t memory = 0;                        // that it has now, in bytes; 0: not known
  };

  // Borrows `clock`, which must outlive this.
  Connections(const Limits& limits, std::function<Load()> load, const Clock& clock);

  // Whether to take one more from `source` (base/source_address.h). Counts it if not.
  Answer Ask(const std::string& source);

  // Counts the connection of a socket that was taken. Returns what it is called here: more than 2^32, never 0.
  uint64_t Add(int descriptor, const std::string& source);

  // The client has left it. No matter if gRPC has let go of it already.
  void NoteLeft(uint64_t connection);

  // A connection of `source` was broken off for what it brought: it gets no other one for a second, in which what is
  // left of that one is worked off.
  void NoteBroken(const std::string& source);

  // To be called ten times a second while IsCrowded: breaks off connections of those who flood. How many it were now,
  // and from where some of them came.
  struct Broken {
    int connections = 0;
    std::string source;
  };
  Broken BreakFlooding();
  // Whether an address has more than a few.
  bool IsCrowded() const;

  // Whether nobody has closed its socket.
  bool IsOpen(uint64_t connection) const;

  // How many there are; how many were broken off; and how often Ask said `answer`, but for kTake.
  size_t size();
  uint64_t broken() const;
  uint64_t refused(Answer answer) const;

 private:
  struct Connection {
    uint64_t name;
    ino_t inode;  // of its socket: another one may get its descriptor
    std::string source;
    bool left = false;
  };
  struct Source {
    int open = 0;
    int left = 0;  // of these
    absl::Duration next_at = -absl::InfiniteDuration();
  };
  using ByDescriptor = absl::flat_hash_map<int, Connection>;
  static bool IsOpen(const ByDescriptor::value_type& connection);

  Answer Judge(const std::string& source) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Bar(const std::string& source) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LookAtLoad(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetClosed(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetLeft(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(ByDescriptor::iterator connection) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Limits limits_;
  const std::function<Load()> load_;
  const Clock& clock_;
  mutable Mutex mutex_;
  uint64_t added_ ABSL_GUARDED_BY(mutex_) = 0;
  ByDescriptor open_ ABSL_GUARDED_BY(mutex_);  // and some that have been closed since the last look
  std::vector<uint64_t> left_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Source> sources_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, absl::Duration> barred_until_ ABSL_GUARDED_BY(mutex_);
  // Since boot, as all times here.
  absl::Duration looked_at_all_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  absl::Duration looked_at_left_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  absl::Duration looked_at_load_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  absl::Duration flooded_until_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  absl::Duration anonymously_flooded_until_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  absl::Duration looked_at_unread_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  bool is_overwhelmed_ ABSL_GUARDED_BY(mutex_) = false;
  Load load_then_ ABSL_GUARDED_BY(mutex_);
  size_t memory_before_ ABSL_GUARDED_BY(mutex_) = 0;  // the flood, or ten seconds ago
  absl::Duration memory_before_at_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  int crowded_ ABSL_GUARDED_BY(mutex_) = 0;  // sources with more than a few
  uint64_t broken_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<uint64_t, 6> refused_ ABSL_GUARDED_BY(mutex_){};
};

}  // namespace watchword
