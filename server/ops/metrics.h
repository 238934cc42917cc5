#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "watchword/base/duration_histogram.h"
#include "watchword/base/mutex.h"

namespace watchword {

// What the server counts, for Prometheus:
//
//   watchword_rpcs_total{method,code,reason}      RPCs that ended
//   watchword_rpc_duration_seconds{method}        how long they took, a histogram
//   whatever AddGauge and the others name         read when asked for
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

  // The same with labels, whose values `read` must bound.
  struct Sample {
    std::map<std::string, std::string> labels;
    double value = 0;
  };
  void AddGauges(std::string name, std::string help, std::function<std::vector<Sample>()> read);
  // Shows histograms, which must live as long as Render is called, told apart by the value of `label`; of one without
  // values `label` is empty. `name` ends in "_seconds".
  void AddHistograms(std::string name, std::string help, std::string label,
                     std::vector<std::pair<std::string, const DurationHistogram*>> series);

  // Everything in Prometheus' text format.
  std::string Render() const;

 private:
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
    DurationHistogram durations;
  };
  struct Callback {
    bool counter;
    std::string name;
    std::string help;
    std::function<std::vector<Sample>()> read;
  };
  struct Histograms {
    std::string name, help, label;
    std::vector<std::pair<std::string, const DurationHistogram*>> series;
  };

  Outcome& FindOutcome(Method& method, absl::string_view code, absl::string_view reason);

  absl::flat_hash_map<std::string, std::unique_ptr<Method>> methods_;  // not changed after construction
  Method other_{"other"};
  mutable Mutex mutex_;
  std::vector<std::unique_ptr<Outcome>> outcomes_ ABSL_GUARDED_BY(mutex_);
  std::vector<Callback> callbacks_ ABSL_GUARDED_BY(mutex_);
  std::vector<Histograms> histograms_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace watchword
