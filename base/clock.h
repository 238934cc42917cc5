#pragma once

#include "absl/time/time.h"

namespace watchword {

// Tells the time. Passed to whatever depends on it, so that tests decide what time it is.
//
// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // The time of day, in UTC. May jump when somebody sets it.
  virtual absl::Time Now() const = 0;

  // Time since the machine started, never set back, and including the time it was suspended (CLOCK_BOOTTIME): for
  // staleness and time-outs.
  virtual absl::Duration SinceBoot() const = 0;
};

// The machine's clock.
const Clock& SystemClock();

}  // namespace watchword
