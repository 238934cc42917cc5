#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace watchword {

// What a gate has done and how much it knows. Counts are since it was made. A plain value.
struct GateMetrics {
  uint64_t admitted = 0;                    // calls let through, anonymous ones too
  std::map<std::string, uint64_t> refused;  // calls refused, by reason; every reason is there, if only with 0
  uint64_t cache_hits = 0;                  // credentials that had been verified before
  uint64_t cache_misses = 0;                // credentials that were looked at for the first time, good or not
  uint64_t session_look_ups = 0;            // session tokens that the auth service was asked about
  uint64_t open_streams = 0;                // streaming calls that the gate watches over
  uint64_t ended_streams = 0;               // those it has ended because their credential was no longer good
  uint64_t revocations = 0;                 // in force
  uint64_t applied_seq = 0;                 // the last entry of the revocation log that it has applied
  uint64_t broken_connections = 0;          // to clients that flooded it with calls without a credential
  uint64_t connections = 0;                 // open
  std::map<std::string, uint64_t> refused_connections;  // by reason, likewise
  uint64_t certificate_failures = 0;                    // looks at TLS files that had changed and could not be used
  absl::Time certificate_expires_at = absl::InfiniteFuture();  // the first of those that are served
  uint64_t head_seq = 0;                                       // the last entry that it knows there is
  absl::Duration staleness;  // since the auth service was last heard; infinite before the first time

  // How many entries of the log it has not applied yet.
  uint64_t lag() const { return head_seq > applied_seq ? head_seq - applied_seq : 0; }
};

// The metrics in Prometheus' text format (version 0.0.4), named watchword_gate_…, to be appended to a service's own.
// A staleness that is infinite is "+Inf".
std::string ToPrometheusText(const GateMetrics& metrics);

}  // namespace watchword
