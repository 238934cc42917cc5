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
// gRPC does not tell of every call that is given up early. So no call counts for longer than two windows of two
// seconds, whether it is over or not.
//
// Thread-safe. Takes no lock and no memory, however many connections there are.
class OpenCalls {
 public:
  // Borrows `clock`, which must outlive this.
  OpenCalls(int most, const Clock& clock) : most_(most), clock_(clock) {}

  // Counts another call of the connection that `connection` identifies; false if it has too many.
  bool Begin(const void* connection) {
    Slot& slot = SlotOf(connection);
    ForgetOldOnes(slot);
    if (slot.begun_before.load(std::memory_order_relaxed) + slot.begun.fetch_add(1, std::memory_order_relaxed) <
        most_) {
      AddToHarm(slot, -kRefusalsForACall);
      return true;
    }
    TakeOne(slot.begun);
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

  // One that began is over. It is taken from the older ones, so that what is forgotten with them was lost.
  void End(const void* connection) {
    Slot& slot = SlotOf(connection);
    if (!TakeOne(slot.begun_before)) TakeOne(slot.begun);
  }

  // The connection has ended: what is left of its calls must not count as those of another, which may get its address.
  void Forget(const void* connection) {
    Slot& slot = SlotOf(connection);
    slot.begun.store(0, std::memory_order_relaxed);
    slot.begun_before.store(0, std::memory_order_relaxed);
  }

 private:
  static constexpr int kRefusalsForACall = 8;  // that may come with one that is let in
  static constexpr int kHarmful = 2'000;       // refusals beyond that
  static constexpr int kSample = 100;
  static constexpr int kMostHarm = 2 * kHarmful + 1;  // no multiple of kSample: from there on none is let in
  static constexpr absl::Duration kWindow = absl::Seconds(2);
  struct Slot {
    std::atomic<int> harm{0};
    std::atomic<int> begun{0};         // in the window, and not over
    std::atomic<int> begun_before{0};  // in the one before it
    std::atomic<int64_t> window{0};
  };
  static constexpr size_t kSlots = 4096;  // connections share one if their hashes say so

  void ForgetOldOnes(Slot& slot) {
    const int64_t now = clock_.SinceBoot() / kWindow;
    int64_t window = slot.window.load(std::memory_order_relaxed);
    if (window >= now || !slot.window.compare_exchange_strong(window, now, std::memory_order_relaxed)) return;
    const int begun = slot.begun.exchange(0, std::memory_order_relaxed);
    slot.begun_before.store(window == now - 1 ? begun : 0, std::memory_order_relaxed);
  }

  // Whether there was one to take.
  static bool TakeOne(std::atomic<int>& counter) {
    int count = counter.load(std::memory_order_relaxed);
    while (count > 0) {
      if (counter.compare_exchange_weak(count, count - 1, std::memory_order_relaxed)) return true;
    }
    return false;
  }

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
