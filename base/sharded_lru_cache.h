#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <list>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "watchword/base/mutex.h"

namespace watchword {

// A bounded map from strings to values that are cheap to copy, such as shared pointers. It is split into shards that
// are locked apart, so that calls on several threads seldom meet; in a full shard the least recently used entry makes
// room.
//
// Thread-safe.
template <typename Value>
class ShardedLruCache {
 public:
  // Holds at most `capacity` entries, rounded up to a multiple of the number of shards.
  explicit ShardedLruCache(size_t capacity)
      : shard_capacity_(std::max<size_t>(1, (capacity + kShards - 1) / kShards)) {}

  // The value of `key`, which now counts as used.
  std::optional<Value> Find(absl::string_view key) {
    const size_t hash = Hash()(key);
    Shard& shard = ShardOf(hash);
    MutexLock lock(shard.mutex);
    const auto found = shard.index.find(key, hash);
    if (found == shard.index.end()) return std::nullopt;
    shard.by_use.splice(shard.by_use.begin(), shard.by_use, found->second);
    return found->second->value;
  }

  // Sets the value of `key`. The value that this replaced or pushed out to make room, if any.
  std::optional<Value> Put(absl::string_view key, Value value) {
    std::list<Node> node;  // allocated outside the lock; what is removed is also freed outside
    node.push_back({std::string(key), std::move(value)});
    std::list<Node> removed;
    {
      const size_t hash = Hash()(key);
      Shard& shard = ShardOf(hash);
      MutexLock lock(shard.mutex);
      const auto found = shard.index.find(key, hash);
      if (found != shard.index.end()) {
        removed.splice(removed.begin(), shard.by_use, found->second);
      } else if (shard.by_use.size() >= shard_capacity_) {
        removed.splice(removed.begin(), shard.by_use, std::prev(shard.by_use.end()));
      }
      if (!removed.empty()) shard.index.erase(removed.front().key);
      shard.by_use.splice(shard.by_use.begin(), node);
      shard.index.emplace(shard.by_use.front().key, shard.by_use.begin());
    }
    if (removed.empty()) return std::nullopt;
    return std::move(removed.front().value);
  }

  // Calls `visit(value)` for each entry, a shard at a time, under its lock.
  template <typename Visit>
  void ForEach(Visit visit) {
    for (Shard& shard : shards_) {
      MutexLock lock(shard.mutex);
      for (Node& node : shard.by_use) visit(node.value);
    }
  }

  size_t size() const {
    size_t size = 0;
    for (const Shard& shard : shards_) {
      MutexLock lock(shard.mutex);
      size += shard.by_use.size();
    }
    return size;
  }

 private:
  static constexpr size_t kShards = 64;

  struct Node {
    std::string key;
    Value value;
  };
  using Hash = absl::Hash<absl::string_view>;
  struct Shard {
    mutable Mutex mutex;
    std::list<Node> by_use ABSL_GUARDED_BY(mutex);  // most recent first
    // The keys lie in the nodes, which do not move.
    absl::flat_hash_map<absl::string_view, typename std::list<Node>::iterator, Hash> index ABSL_GUARDED_BY(mutex);
  };

  // By the hash's high bits: the maps inside the shards use the low ones.
  Shard& ShardOf(size_t hash) { return shards_[hash >> (sizeof(size_t) * 8 - 6)]; }
  static_assert(kShards == 1 << 6);

  const size_t shard_capacity_;
  std::array<Shard, kShards> shards_;
};

}  // namespace watchword
