#include "server/ops/metrics.h"

#include <algorithm>
#include <limits>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "prometheus/metric_family.h"
#include "prometheus/text_serializer.h"

namespace watchword {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr size_t kMaxReasonSize = 64;

absl::string_view BoundedReason(absl::string_view reason) {
  const bool is_word =
      reason.size() <= kMaxReasonSize && std::all_of(reason.begin(), reason.end(), [](unsigned char c) {
        return absl::ascii_isupper(c) || absl::ascii_isdigit(c) || c == '_';
      });
  return is_word ? reason : absl::string_view("other");
}

ClientMetric Labelled(const std::map<std::string, std::string>& labels) {
  ClientMetric metric;
  for (const auto& [name, value] : labels) metric.label.push_back({name, value});
  return metric;
}

ClientMetric::Histogram Histogram(const DurationHistogram& durations) {
  constexpr auto& bounds = DurationHistogram::kBounds;
  ClientMetric::Histogram histogram;
  for (size_t i = 0; i < durations.buckets().size(); ++i) {
    histogram.sample_count += durations.buckets()[i].load(std::memory_order_relaxed);
    const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back({histogram.sample_count, bound});
  }
  histogram.sample_sum = static_cast<double>(durations.nanoseconds()) / 1e9;
  return histogram;
}

}  // namespace

Metrics::Metrics(const std::vector<std::string>& methods) {
  for (const std::string& name : methods) methods_.try_emplace(name, std::make_unique<Method>(name));
}

Metrics::~Metrics() = default;

void Metrics::RecordRpc(absl::string_view method, absl::StatusCode code, absl::string_view reason,
                        absl::Duration duration) {
  const auto found = methods_.find(method);
  Method& counted = found == methods_.end() ? other_ : *found->second;
  const std::string code_name = absl::StatusCodeToString(code);
  FindOutcome(counted, code_name.empty() ? "other" : code_name, BoundedReason(reason))
      .count.fetch_add(1, std::memory_order_relaxed);
  counted.durations.Record(duration);
}

Metrics::Outcome& Metrics::FindOutcome(Method& method, absl::string_view code, absl::string_view reason) {
  size_t next = 0;
  const auto known = [&]() -> Outcome* {  // goes on where it stopped
    for (; next < kMaxOutcomes; ++next) {
      Outcome* outcome = method.outcomes[next].load(std::memory_order_acquire);
      if (outcome == nullptr) return nullptr;
      if (outcome->code == code && outcome->reason == reason) return outcome;
    }
    return &method.other;
  };
  if (Outcome* outcome = known()) return *outcome;
  MutexLock lock(mutex_);
  if (Outcome* outcome = known()) return *outcome;
  outcomes_.push_back(std::make_unique<Outcome>(code, reason));
  method.outcomes[next].store(outcomes_.back().get(), std::memory_order_release);
  return *outcomes_.back();
}

void Metrics::AddGauge(std::string name, std::string help, std::function<double()> read) {
  AddGauges(std::move(name), std::move(help), [read = std::move(read)] { return std::vector<Sample>{{{}, read()}}; });
}

void Metrics::AddGauges(std::string name, std::string help, std::function<std::vector<Sample>()> read) {
  MutexLock lock(mutex_);
  callbacks_.push_back({/*counter=*/false, std::move(name), std::move(help), std::move(read)});
}

void Metrics::AddCounter(std::string name, std::string help, std::function<double()> read) {
  MutexLock lock(mutex_);
  callbacks_.push_back({/*counter=*/true, std::move(name), std::move(help), [read = std::move(read)] {
                          return std::vector<Sample>{{{}, read()}};
                        }});
}

void Metrics::AddHistograms(std::string name, std::string help, std::string label,
                            std::vector<std::pair<std::string, const DurationHistogram*>> series) {
  MutexLock lock(mutex_);
  histograms_.push_back({std::move(name), std::move(help), std::move(label), std::move(series)});
}

std::string Metrics::Render() const {
  MetricFamily rpcs{"watchword_rpcs_total", "RPCs that ended.", MetricType::Counter, {}};
  MetricFamily durations{"watchword_rpc_duration_seconds", "How long RPCs took.", MetricType::Histogram, {}};
  const auto add = [&](const Method& method) {
    const auto add_count = [&](const Outcome& outcome) {
      ClientMetric metric;
      metric.label = {{"method", method.name}, {"code", outcome.code}, {"reason", outcome.reason}};
      metric.counter.value = static_cast<double>(outcome.count.load(std::memory_order_relaxed));
      if (metric.counter.value > 0) rpcs.metric.push_back(std::move(metric));
    };
    for (const auto& outcome : method.outcomes) {
      const Outcome* known = outcome.load(std::memory_order_acquire);
      if (known == nullptr) break;
      add_count(*known);
    }
    add_count(method.other);
    ClientMetric metric;
    metric.label = {{"method", method.name}};
    metric.histogram = Histogram(method.durations);
    if (metric.histogram.sample_count > 0) durations.metric.push_back(std::move(metric));
  };
  for (const auto& [name, method] : methods_) add(*method);
  add(other_);

  std::vector<Callback> callbacks;
  std::vector<Histograms> histograms;
  {
    MutexLock lock(mutex_);
    callbacks = callbacks_;
    histograms = histograms_;
  }
  std::vector<MetricFamily> families = {std::move(rpcs), std::move(durations)};
  for (const Callback& callback : callbacks) {
    MetricFamily family{callback.name, callback.help, callback.counter ? MetricType::Counter : MetricType::Gauge, {}};
    for (const Sample& sample : callback.read()) {
      family.metric.push_back(Labelled(sample.labels));
      (callback.counter ? family.metric.back().counter.value : family.metric.back().gauge.value) = sample.value;
    }
    families.push_back(std::move(family));
  }
  for (const Histograms& shown : histograms) {
    MetricFamily family{shown.name, shown.help, MetricType::Histogram, {}};
    for (const auto& [value, histogram] : shown.series) {
      family.metric.push_back(shown.label.empty() ? ClientMetric() : Labelled({{shown.label, value}}));
      family.metric.back().histogram = Histogram(*histogram);
    }
    families.push_back(std::move(family));
  }
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return text.str();
}

}  // namespace watchword
