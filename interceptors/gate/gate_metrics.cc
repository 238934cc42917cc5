#include "watchword/gate/gate_metrics.h"

#include "absl/strings/str_cat.h"

namespace watchword {
namespace {

void Append(std::string& text, absl::string_view name, absl::string_view type, absl::string_view help,
            absl::string_view value) {
  absl::StrAppend(&text, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n", name, " ", value, "\n");
}

}  // namespace

std::string ToPrometheusText(const GateMetrics& metrics) {
  std::string text;
  const auto counter = [&text](absl::string_view name, absl::string_view help, uint64_t value) {
    Append(text, name, "counter", help, absl::StrCat(value));
  };
  const auto gauge = [&text](absl::string_view name, absl::string_view help, absl::string_view value) {
    Append(text, name, "gauge", help, value);
  };
  const auto by_reason = [&text](absl::string_view name, absl::string_view help,
                                 const std::map<std::string, uint64_t>& counts) {
    absl::StrAppend(&text, "# HELP ", name, " ", help, "\n# TYPE ", name, " counter\n");
    for (const auto& [reason, count] : counts) {
      absl::StrAppend(&text, name, "{reason=\"", reason, "\"} ", count, "\n");
    }
  };
  counter("watchword_gate_admitted_total", "Calls let through", metrics.admitted);
  by_reason("watchword_gate_refused_total", "Calls refused", metrics.refused);
  counter("watchword_gate_cache_hits_total", "Credentials that had been verified before", metrics.cache_hits);
  counter("watchword_gate_cache_misses_total", "Credentials that were looked at for the first time",
          metrics.cache_misses);
  counter("watchword_gate_session_look_ups_total", "Session tokens that the auth service was asked about",
          metrics.session_look_ups);
  counter("watchword_gate_ended_streams_total", "Streaming calls ended because their credential was no longer good",
          metrics.ended_streams);
  counter("watchword_gate_broken_connections_total",
          "Connections broken because they brought far more calls without a credential than they may",
          metrics.broken_connections);
  gauge("watchword_gate_connections", "Connections to the gate's ports", absl::StrCat(metrics.connections));
  by_reason("watchword_gate_refused_connections_total", "Connections refused", metrics.refused_connections);
  counter("watchword_gate_certificate_failures_total", "Looks at TLS files that had changed and could not be used",
          metrics.certificate_failures);
  if (metrics.certificate_expires_at < absl::InfiniteFuture()) {
    gauge("watchword_gate_certificate_expiry_timestamp_seconds", "When the TLS certificate expires, in Unix time",
          absl::StrCat(absl::ToUnixSeconds(metrics.certificate_expires_at)));
  }
  gauge("watchword_gate_open_streams", "Streaming calls watched over", absl::StrCat(metrics.open_streams));
  gauge("watchword_gate_revocations", "Revocations in force", absl::StrCat(metrics.revocations));
  gauge("watchword_gate_applied_seq", "The last entry of the revocation log that was applied",
        absl::StrCat(metrics.applied_seq));
  gauge("watchword_gate_lag_entries", "Entries of the revocation log that are known of and not applied",
        absl::StrCat(metrics.lag()));
  gauge(
      "watchword_gate_staleness_seconds", "Time since the auth service was last heard",
      metrics.staleness == absl::InfiniteDuration() ? "+Inf" : absl::StrCat(absl::ToDoubleSeconds(metrics.staleness)));
  return text;
}

}  // namespace watchword
