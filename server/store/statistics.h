#pragma once

#include <cstddef>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/time/time.h"
#include "watchword/base/clock.h"
#include "watchword/base/duration_histogram.h"

namespace watchword {

// How long a store takes, waiting for a connection and trying again included, whatever comes of it. Thread-safe.
struct StoreStatistics {
  DurationHistogram reads, writes;
};

// Records in `histogram` how long the scope lasted in which what is returned lives.
inline auto Timed(DurationHistogram& histogram) {
  return absl::MakeCleanup(
      [&histogram, began = SystemClock().SinceBoot()] { histogram.Record(SystemClock().SinceBoot() - began); });
}

// The connections of a store that has a pool of them.
struct PoolState {
  size_t open = 0;     // in use or idle
  size_t idle = 0;     // of these
  size_t waiting = 0;  // callers that wait for one
};

}  // namespace watchword
