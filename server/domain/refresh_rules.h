#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace watchword {

// What to do with a genuine refresh token.
enum class RefreshVerdict {
  kRotate,  // it is the newest: use it up
  kRepeat,  // it was used within the grace period: give the same successor again
  kReused,  // it was used before that: somebody has stolen it; end the session
};

// Judges by the session's newest generation and when that was issued. `grace` is how long a used token is answered
// again.
RefreshVerdict JudgeRefresh(int64_t presented_generation, int64_t newest_generation, absl::Time rotated_at,
                            absl::Time now, absl::Duration grace);

}  // namespace watchword
