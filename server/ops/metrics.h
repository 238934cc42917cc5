#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "watchword/base/mutex.h"

namespace watchword {

// What the server counts, for Prometheus:
//
//   watchword_rpcs_total{method,code,reason}      RPCs that ended
//   watchword_rpc_duration_seconds{method}        how long they took, a histogram
//   whatever AddGauge and AddCounter name         read when asked for
//
// Counting an RPC takes atomic additions and, but for the first with its outcome, no lock. Label values come from
// bounded sets, so that no caller can make the server remember names that it invents.
//
// Thread-safe.
class Metrics {
 public:
  // `methods`: the full names of the RPCs ("/watchword.v1.AuthService/Login"). Others are counted as "other".
  explicit Metrics(const std::vector<std::string>& methods);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Counts an RPC that ended. `reason` is the stable upper-case word of the error, or empty; anything else is counted
  // as "other".
  void RecordRpc(absl::string_view method, absl::StatusCode code, absl::string_view reason, absl::Duration duration);

  // Shows a value that goes up and down (AddGauge) or only up (AddCounter; `name` then ends in "_total"). `read` is
  // called by Render, on any thread, and must stay callable as long as Render is called.
  void AddGauge(std::string name, std::string help, std::function<double()> read);
  void AddCounter(std::string name, std::string help, std::function<double()> read);

  // Everything in Prometheus' text format.
  std::string Render() const;

 private:
  // Upper bounds of the histogram's buckets, in seconds; one more bucket holds what is above.
  static constexpr std::array kBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                         0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0,  10.0};
  static constexpr size_t kMaxOutcomes = 64;  // per method; later ones are counted as "other"

  struct Outcome {
    Outcome(absl::string_view its_code, absl::string_view its_reason) : code(its_code), reason(its_reason) {}
    const std::string code;
    const std::string reason;
    std::atomic<uint64_t> count{0};
  };
  struct Method {
    explicit Method(absl::string_view its_name) : name(its_name) {}
    const std::string name;
    // Filled from the front, never taken back: readers need no lock.
    std::array<std::atomic<Outcome*>, kMaxOutcomes> outcomes{};
    Outcome other{"other", "other"};
    std::array<std::atomic<uint64_t>, kBounds.size() + 1> buckets{};
    std::atomic<int64_t> nanoseconds{0};
  };
  struct Callback {
    bool counter;
    std::string name;
    std::string help;
    std::function<double()> read;
  };

  Outcome& FindOutcome(Method& method, absl::string_view code, absl::string_view reason);

  absl::flat_hash_map<std::string, std::unique_ptr<Method>> methods_;  // not changed after construction
  Method other_{"other"};
  mutable Mutex mutex_;
  std::vector<std::unique_ptr<Outcome>> outcomes_ ABSL_GUARDED_BY(mutex_);
  std::vector<Callback> callbacks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace watchword
