#pragma once

#include "absl/time/time.h"
#include "watchword/base/random.h"

namespace watchword {

// How long a verifier waits before it opens its next stream: a random part of a limit ("full jitter"). All verifiers of
// a server lose it in the same moment. If they came back in the same moment, too, each asking for its snapshot, the
// server or the one that takes its place would be busy with nothing else; so then the limit is the time over which to
// spread them. A stream that was lost alone is taken up again at once, and attempts that fail become rarer.
//
// Thread-compatible.
class ReconnectPause {
 public:
  struct Limits {
    absl::Duration min_backoff;
    absl::Duration max_backoff;
    absl::Duration spread;
  };

  // What came to an end.
  enum class Lost {
    kAttempt,  // a stream that never worked
    kStream,   // one that did, and others need not be concerned
    kServer,   // the server, for all who had a stream with it
  };

  // Borrows `random`, which must outlive this.
  ReconnectPause(Limits limits, RandomSource& random)
      : limits_(limits), random_(random), backoff_(limits.min_backoff) {}

  absl::Duration Next(Lost lost);

 private:
  absl::Duration PartOf(absl::Duration limit);

  const Limits limits_;
  RandomSource& random_;
  absl::Duration backoff_;
};

}  // namespace watchword
