#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace watchword {

// How often something took how long, in fixed buckets. Recording takes two atomic additions, so that it can be done on
// any path. Thread-safe; what is read while something records may be one record apart.
class DurationHistogram {
 public:
  // Upper bounds of the buckets, in seconds; one more bucket holds what is above.
  static constexpr std::array kBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                         0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0,  10.0};
  using Buckets = std::array<std::atomic<uint64_t>, kBounds.size() + 1>;

  void Record(absl::Duration duration) {
    duration = std::max(duration, absl::ZeroDuration());
    const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), absl::ToDoubleSeconds(duration));
    buckets_[static_cast<size_t>(bound - kBounds.begin())].fetch_add(1, std::memory_order_relaxed);
    nanoseconds_.fetch_add(absl::ToInt64Nanoseconds(duration), std::memory_order_relaxed);
  }

  const Buckets& buckets() const { return buckets_; }
  int64_t nanoseconds() const { return nanoseconds_.load(std::memory_order_relaxed); }

 private:
  Buckets buckets_{};
  std::atomic<int64_t> nanoseconds_{0};
};

}  // namespace watchword
