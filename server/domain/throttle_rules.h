#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace watchword {

// How failed logins slow down those that follow. Everything ends by itself with time.
//
// Of an account, consecutive failures count: the first few cost nothing, from then on each blocks the account for twice
// as long as the one before. Strangers, and together all sources that the account has logged in from before, have
// kMostAccountFailures each: at most 100 consecutive ones in total (NIST SP 800-63B section 5.2.2), then nothing for a
// day. Of a source, all failures count, whatever the account; they are forgotten at a steady rate.

struct ThrottleLimits {
  int64_t account_free_failures = 5;  // consecutive ones that block nothing: 1 to kMostAccountFailures
  int64_t source_free_failures = 50;  // 0: sources are never blocked
};

inline constexpr int64_t kMostAccountFailures = 50;
inline constexpr absl::Duration kFirstBlock = absl::Seconds(1);
inline constexpr absl::Duration kLongestBlock = absl::Minutes(15);
inline constexpr absl::Duration kRestOfAccount = absl::Hours(24);          // after kMostAccountFailures
inline constexpr absl::Duration kForgetAccountAfter = absl::Hours(24);     // without a failure
inline constexpr absl::Duration kForgetSourceFailure = absl::Seconds(30);  // one each
inline constexpr absl::Duration kKnowSourceFor = absl::Hours(24 * 90);     // after a login from it

// How long an account is blocked by its `failures`th consecutive failure: for strangers, or for a source that it has
// logged in from.
absl::Duration BlockOfAccount(int64_t failures, const ThrottleLimits& limits);

// How long all the sources that an account has logged in from are blocked by the `failures`th failure of them together.
absl::Duration BlockOfKnownSources(int64_t failures);

// How long a source is blocked by its `failures`th failure.
absl::Duration BlockOfSource(int64_t failures, const ThrottleLimits& limits);

// Forgets what may be forgotten at `now` of a source's failures, which were counted so at `counted_at`. Sets that to
// when the next one may be forgotten from.
void ForgetSourceFailures(int64_t& failures, absl::Time& counted_at, absl::Time now);

}  // namespace watchword
