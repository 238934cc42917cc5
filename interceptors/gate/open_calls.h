#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/hash/hash.h"
#include "absl/time/time.h"
#include "watchword/base/clock.h"

namespace watchword {

// How many calls of a connection were let in and are not over. HTTP/2 limits how many streams a client may have open,
// but one that it has reset no longer counts, while the call behind it does until its handler has run (CVE-2023-44487).
// A client that keeps to the limit never has more calls here than that; one that has is refused.
//
// gRPC does not tell of every call that is given up early. Such a call would be counted for ever, so the count of a
// connection begins anew when it has been quiet for a second.
//
// Thread-safe. Takes no lock and no memory, however many connections there are.
class OpenCalls {
 public:
  // Borrows `clock`, which must outlive this.
  OpenCalls(int most, const Clock& clock) : most_(most), clock_(clock) {}

  // Counts another call of the connection that `connection` identifies; false if it has too many.
  bool Begin(const void* connection) {
    Slot& slot = SlotOf(connection);
    const int64_t now = absl::ToInt64Nanoseconds(clock_.SinceBoot());
    const int64_t before = slot.begun_at.exchange(now, std::memory_order_relaxed);
    if (now - before > kQuietNanos) slot.open.store(0, std::memory_order_relaxed);
    if (slot.open.fetch_add(1, std::memory_order_relaxed) < most_) return true;
    End(connection);
    return false;
  }

  // One that began is over.
  void End(const void* connection) {
    std::atomic<int>& open = SlotOf(connection).open;
    int count = open.load(std::memory_order_relaxed);
    while (count > 0 && !open.compare_exchange_weak(count, count - 1, std::memory_order_relaxed)) {
    }
  }

 private:
  struct Slot {
    std::atomic<int> open{0};
    std::atomic<int64_t> begun_at{0};
  };
  static constexpr int64_t kQuietNanos = 1'000'000'000;
  static constexpr size_t kSlots = 4096;  // connections share one if their hashes say so

  Slot& SlotOf(const void* connection) { return slots_[absl::HashOf(connection) % kSlots]; }

  const int most_;
  const Clock& clock_;
  std::array<Slot, kSlots> slots_;
};

}  // namespace watchword
