#pragma once

#include "absl/time/time.h"

namespace watchword {

// When the work that this thread does now is of no use any more: absl::InfiniteFuture() unless a ScopedDeadline is
// open. Saves handing a deadline through every function between whoever knows it (an executor) and whoever waits for
// something (a store's connections).
absl::Time CurrentDeadline();

// Sets the calling thread's deadline for a scope. They nest, and the innermost counts.
class ScopedDeadline {
 public:
  explicit ScopedDeadline(absl::Time deadline);
  ~ScopedDeadline();
  ScopedDeadline(const ScopedDeadline&) = delete;
  ScopedDeadline& operator=(const ScopedDeadline&) = delete;

 private:
  const absl::Time outer_;
};

}  // namespace watchword
