#include "server/domain/throttle_rules.h"

#include <algorithm>

namespace watchword {
namespace {

// Doubles with each failure from the `free`th.
absl::Duration Growing(int64_t failures, int64_t free) {
  if (failures < free) return absl::ZeroDuration();
  constexpr int64_t kMostDoublings = 20;  // more than enough for the longest block
  return std::min(kFirstBlock * (int64_t{1} << std::min(failures - free, kMostDoublings)), kLongestBlock);
}

}  // namespace

absl::Duration BlockOfAccount(int64_t failures, const ThrottleLimits& limits) {
  if (failures >= kMostAccountFailures) return kRestOfAccount;
  return Growing(failures, limits.account_free_failures);
}

absl::Duration BlockOfKnownSources(int64_t failures) {
  return failures >= kMostAccountFailures ? kRestOfAccount : absl::ZeroDuration();
}

absl::Duration BlockOfSource(int64_t failures, const ThrottleLimits& limits) {
  if (limits.source_free_failures == 0) return absl::ZeroDuration();
  return Growing(failures, limits.source_free_failures);
}

void ForgetSourceFailures(int64_t& failures, absl::Time& counted_at, absl::Time now) {
  const int64_t forgotten = std::max(absl::ZeroDuration(), now - counted_at) / kForgetSourceFailure;
  failures = std::max<int64_t>(failures - forgotten, 0);
  counted_at = failures == 0 ? now : counted_at + forgotten * kForgetSourceFailure;
}

}  // namespace watchword
