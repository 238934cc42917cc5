#pragma once

#include <algorithm>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace watchword {

// The median, the least and the greatest of some measurements.
struct Spread {
  double median = 0, least = 0, greatest = 0;
};

inline Spread SpreadOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

// Nanoseconds that one call of `work` takes, over `calls` of them.
inline double NanosecondsPerCall(absl::FunctionRef<void()> work, int calls) {
  const absl::Time begin = absl::Now();
  for (int i = 0; i < calls; ++i) work();
  return absl::ToDoubleNanoseconds(absl::Now() - begin) / calls;
}

// Two things measured in turns (A B A B …), so that whatever else the machine does falls on both.
struct Comparison {
  Spread ours, reference, ratio;  // nanoseconds per call; ours ÷ reference, each round by itself
};

inline Comparison Compare(absl::FunctionRef<void()> ours, absl::FunctionRef<void()> reference, int calls, int rounds) {
  std::vector<double> a, b, ratios;
  for (int i = 0; i < rounds; ++i) {
    a.push_back(NanosecondsPerCall(ours, calls));
    b.push_back(NanosecondsPerCall(reference, calls));
    ratios.push_back(a.back() / b.back());
  }
  return {SpreadOf(a), SpreadOf(b), SpreadOf(ratios)};
}

}  // namespace watchword
