#include "watchword/gate/anonymous_budget.h"

#include <algorithm>

#include "absl/hash/hash.h"
#include "watchword/base/reason.h"
#include "watchword/token/reasons.h"

namespace watchword {
namespace {

constexpr int64_t kNanosInSecond = 1'000'000'000;
constexpr int64_t kLongestPenalty = kNanosInSecond;
constexpr int64_t kRefusalsForACall = 8;

absl::Status RateLimited(absl::string_view detail) {
  return ErrorWithReason(absl::StatusCode::kResourceExhausted, kRateLimited, detail);
}

}  // namespace

AnonymousBudget::Bucket::Pace AnonymousBudget::PaceOf(const Limits& limits, bool refusals_cost) {
  const int64_t interval = kNanosInSecond / limits.calls_per_second;
  return {.interval = interval,
          .allowance = interval * (limits.burst - 1),
          .penalty = refusals_cost ? interval / kRefusalsForACall : 0};
}

bool AnonymousBudget::Bucket::Take(const Pace& pace, int64_t now) {
  int64_t full_at = full_at_.load(std::memory_order_relaxed);
  while (true) {
    const bool taken = full_at - now <= pace.allowance;
    int64_t next = std::max(full_at, now) + pace.interval;
    if (!taken) next = std::min(full_at + pace.penalty, now + pace.allowance + kLongestPenalty);
    if (full_at_.compare_exchange_weak(full_at, next, std::memory_order_relaxed)) return taken;
  }
}

absl::Status AnonymousBudget::Take(const void* connection) {
  const int64_t now = absl::ToInt64Nanoseconds(clock_.SinceBoot());
  if (!BucketOf(connection).Take(each_connection_, now)) {
    return RateLimited("too many calls without a credential on this connection; try again in a second");
  }
  if (!everybody_.Take(all_, now)) return RateLimited("too many calls without a credential; try again in a second");
  return absl::OkStatus();
}

AnonymousBudget::Bucket& AnonymousBudget::BucketOf(const void* connection) {
  return connections_[absl::HashOf(connection) % kBuckets];
}

}  // namespace watchword
