#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace watchword {

// An error that programs can tell apart: `reason` is a stable upper-case word such as TOKEN_EXPIRED, `detail` is for
// people. The message is "REASON: detail", or "REASON" if there is no detail.
absl::Status ErrorWithReason(absl::StatusCode code, absl::string_view reason, absl::string_view detail = "");

// The reason given to ErrorWithReason, or "" if the status has none.
std::string ReasonOf(const absl::Status& status);

}  // namespace watchword
