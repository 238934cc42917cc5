#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "watchword/base/clock.h"

namespace watchword {

// How many calls may come without a valid credential. Refusing a call at the gate costs almost nothing, while one that
// goes on to its handler holds some 20 KB until that has run; a client that opens streams and resets them at once
// (CVE-2023-44487) sends far more than handlers can take. So what nobody vouches for is limited before it costs
// anything, by rate for each connection and for all of them.
//
// A refused call costs its connection an eighth of one that is let in. Whoever goes somewhat beyond the rate is served
// at about the rate; whoever sends eight times as much or more has nothing let in until that ends, and for a second
// after it. For while a connection is flooded, gRPC's thread is busy reading it, and what was let in of it piles up.
//
// Thread-safe. Takes no lock and no memory, however many connections there are.
class AnonymousBudget {
 public:
  struct Limits {
    int calls_per_second = 0;  // on average; more than 0
    int burst = 0;             // at once; more than 0
  };

  // Borrows `clock`, which must outlive this.
  AnonymousBudget(const Limits& each_connection, const Limits& all, const Clock& clock)
      : each_connection_(PaceOf(each_connection, /*refusals_cost=*/true)),
        all_(PaceOf(all, /*refusals_cost=*/false)),
        clock_(clock) {}

  // Takes one call of the connection that `connection` identifies out of the budget: OK, or RESOURCE_EXHAUSTED
  // (RATE_LIMITED) if there is nothing left.
  absl::Status Take(const void* connection);

 private:
  // A token bucket in one number (the generic cell rate algorithm): when it will be full again.
  class Bucket {
   public:
    struct Pace {
      int64_t interval;   // between calls, in nanoseconds
      int64_t allowance;  // how far ahead of now `full_at` may be
      int64_t penalty;    // what a refused call costs
    };
    bool Take(const Pace& pace, int64_t now);

   private:
    std::atomic<int64_t> full_at_{0};
  };

  static Bucket::Pace PaceOf(const Limits& limits, bool refusals_cost);
  Bucket& BucketOf(const void* connection);

  // Connections share a bucket if their hashes say so: that costs them some of their rate and nobody any memory.
  static constexpr size_t kBuckets = 4096;
  const Bucket::Pace each_connection_;
  const Bucket::Pace all_;
  const Clock& clock_;
  std::array<Bucket, kBuckets> connections_;
  Bucket everybody_;
};

}  // namespace watchword
