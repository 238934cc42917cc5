#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace watchword {

// Counts what every call does. Threads count apart, so that two of them do not take turns at one cache line.
//
// Thread-safe.
class ShardedCounter {
 public:
  void Add() { shards_[ShardOfThisThread()].count.fetch_add(1, std::memory_order_relaxed); }

  uint64_t Value() const {
    uint64_t sum = 0;
    for (const Shard& shard : shards_) sum += shard.count.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  static constexpr size_t kShards = 16;
  static constexpr size_t kCacheLine = 64;

  // So far apart that no two counts lie in one cache line. (Aligned to one, it would pad whatever holds a counter.)
  struct Shard {
    std::atomic<uint64_t> count{0};
    std::array<char, kCacheLine - sizeof(std::atomic<uint64_t>)> padding{};
  };

  static size_t ShardOfThisThread() {
    static std::atomic<size_t> next{0};
    thread_local const size_t shard = next.fetch_add(1, std::memory_order_relaxed) % kShards;
    return shard;
  }

  std::array<Shard, kShards> shards_;
};

}  // namespace watchword
