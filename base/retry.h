#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace watchword {

// `error` with a note of how long to wait before it is worth trying again, rounded up to a whole millisecond and at
// least one. Of an OK status nothing is noted.
absl::Status WithRetryDelay(absl::Status error, absl::Duration delay);

// What was given to WithRetryDelay, if anything was.
std::optional<absl::Duration> RetryDelayOf(const absl::Status& error);

}  // namespace watchword
