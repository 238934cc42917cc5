#include "watchword/base/retry.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace watchword {
namespace {

constexpr absl::string_view kPayload = "watchword/retry-delay-ms";

}  // namespace

absl::Status WithRetryDelay(absl::Status error, absl::Duration delay) {
  const int64_t milliseconds = absl::ToInt64Milliseconds(absl::Ceil(delay, absl::Milliseconds(1)));
  error.SetPayload(kPayload, absl::Cord(absl::StrCat(std::max<int64_t>(1, milliseconds))));
  return error;
}

std::optional<absl::Duration> RetryDelayOf(const absl::Status& error) {
  const auto payload = error.GetPayload(kPayload);
  int64_t milliseconds = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &milliseconds)) return std::nullopt;
  return absl::Milliseconds(milliseconds);
}

}  // namespace watchword
