#pragma once

#include <algorithm>
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
// Here it counts until then.
//
// Also tells which connections do nothing but harm: those of which far more calls are refused than let in.
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
    if (slot.open.fetch_add(1, std::memory_order_relaxed) < most_) {
      AddToHarm(slot, -kRefusalsForACall);
      return true;
    }
    End(connection);
    return false;
  }

  // Counts a call that was refused. True now and then if the connection is harmful: then it should be let in after all,
  // so that it can be seen whose it is.
  bool NoteRefusal(const void* connection) {
    const int harm = AddToHarm(SlotOf(connection), 1);
    return harm >= kHarmful && harm % kSample == 0;
  }

  bool IsHarmful(const void* connection) const {
    return slots_[IndexOf(connection)].harm.load(std::memory_order_relaxed) >= kHarmful;
  }

  // Whether the connection is harmful; if so, it counts as harmless again, so that one caller is told.
  bool TakeHarmful(const void* connection) {
    std::atomic<int>& harm = SlotOf(connection).harm;
    int count = harm.load(std::memory_order_relaxed);
    while (count >= kHarmful) {
      if (harm.compare_exchange_weak(count, 0, std::memory_order_relaxed)) return true;
    }
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
  static constexpr int kRefusalsForACall = 8;  // that may come with one that is let in
  static constexpr int kHarmful = 2'000;       // refusals beyond that
  static constexpr int kSample = 100;
  static constexpr int kMostHarm = 2 * kHarmful + 1;  // no multiple of kSample: from there on none is let in
  struct Slot {
    std::atomic<int> harm{0};
    std::atomic<int> open{0};
    std::atomic<int64_t> begun_at{0};
  };
  static constexpr int64_t kQuietNanos = 1'000'000'000;
  static constexpr size_t kSlots = 4096;  // connections share one if their hashes say so

  // The new count, from 0 to kMostHarm.
  static int AddToHarm(Slot& slot, int more) {
    int count = slot.harm.load(std::memory_order_relaxed);
    int next = count;
    do {
      next = std::clamp(count + more, 0, kMostHarm);
    } while (next != count && !slot.harm.compare_exchange_weak(count, next, std::memory_order_relaxed));
    return next;
  }

  static size_t IndexOf(const void* connection) { return absl::HashOf(connection) % kSlots; }
  Slot& SlotOf(const void* connection) { return slots_[IndexOf(connection)]; }

  const int most_;
  const Clock& clock_;
  std::array<Slot, kSlots> slots_;
};

}  // namespace watchword
