#pragma once

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace watchword {

// The median, the least and the greatest of some measurements.
struct Spread {
  double median = 0, least = 0, greatest = 0;
};

inline Spread SpreadOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

inline double Quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

// Nanoseconds that one call of `work` takes, over `calls` of them.
inline double NanosecondsPerCall(absl::FunctionRef<void()> work, int calls) {
  const absl::Time begin = absl::Now();
  for (int i = 0; i < calls; ++i) work();
  return absl::ToDoubleNanoseconds(absl::Now() - begin) / calls;
}

// Two things measured in turns (A B A B …), so that whatever else the machine does falls on both.
struct Comparison {
  Spread ours, reference, ratio;  // ours ÷ reference, each round by itself
};

inline Comparison Compare(absl::FunctionRef<double()> ours, absl::FunctionRef<double()> reference, int rounds) {
  std::vector<double> a, b, ratios;
  for (int i = 0; i < rounds; ++i) {
    a.push_back(ours());
    b.push_back(reference());
    ratios.push_back(a.back() / b.back());
  }
  return {SpreadOf(a), SpreadOf(b), SpreadOf(ratios)};
}

// One measurement, as a line that bench.py reads: it knows the goals by the names.
inline void Print(const nlohmann::json& measurement) {
  std::printf("%s\n", measurement.dump().c_str());
  std::fflush(stdout);
}

inline nlohmann::json ToJson(const Spread& spread) { return {spread.least, spread.greatest}; }

inline void Report(absl::string_view name, const Spread& value, absl::string_view unit) {
  Print({{"name", std::string(name)}, {"value", value.median}, {"unit", std::string(unit)}, {"spread", ToJson(value)}});
}

inline void Report(absl::string_view name, double value, absl::string_view unit) {
  Report(name, {value, value, value}, unit);
}

// The spread that is printed is that of the ratio. `scale` turns what was measured into the unit.
inline void Report(absl::string_view name, const Comparison& comparison, absl::string_view unit, double scale = 1) {
  Print({{"name", std::string(name)},
         {"value", comparison.ours.median * scale},
         {"unit", std::string(unit)},
         {"reference", comparison.reference.median * scale},
         {"ratio", comparison.ratio.median},
         {"spread", ToJson(comparison.ratio)}});
}

}  // namespace watchword
