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
// are locked apart, so that calls on several threads seldom meet. In a full shard an entry makes room that was not used
// since others last made room, oldest first: SIEVE (Zhang and others, NSDI 2024). Unlike moving what is used to the
// front of a list, that leaves the entries around alone, which other threads read.
//
// Thread-safe.
template <typename Value>
class ShardedCache {
 public:
  // Holds at most `capacity` entries, rounded up to a multiple of the number of shards.
  explicit ShardedCache(size_t capacity) : shard_capacity_(std::max<size_t>(1, (capacity + kShards - 1) / kShards)) {}

  // The value of `key`, which now counts as used.
  std::optional<Value> Find(absl::string_view key) {
    const size_t hash = Hash()(key);
    Shard& shard = ShardOf(hash);
    MutexLock lock(shard.mutex);
    const auto found = shard.index.find(key, hash);
    if (found == shard.index.end()) return std::nullopt;
    Node& node = *found->second;
    if (!node.used) node.used = true;
    return node.value;
  }

  // Sets the value of `key`. The value that this replaced or pushed out to make room, if any.
  std::optional<Value> Put(absl::string_view key, Value value) {
    std::list<Node> node;  // allocated outside the lock; what is removed is also freed outside
    node.push_back({std::string(key), std::move(value), /*used=*/false});
    std::list<Node> removed;
    {
      const size_t hash = Hash()(key);
      Shard& shard = ShardOf(hash);
      MutexLock lock(shard.mutex);
      const auto found = shard.index.find(key, hash);
      if (found != shard.index.end()) {
        Take(shard, found->second, removed);
      } else if (shard.nodes.size() >= shard_capacity_) {
        Take(shard, Unused(shard), removed);
      }
      shard.nodes.splice(shard.nodes.begin(), node);
      shard.index.emplace(shard.nodes.front().key, shard.nodes.begin());
    }
    if (removed.empty()) return std::nullopt;
    return std::move(removed.front().value);
  }

  // Calls `visit(value)` for each entry, a shard at a time, under its lock.
  template <typename Visit>
  void ForEach(Visit visit) {
    for (Shard& shard : shards_) {
      MutexLock lock(shard.mutex);
      for (Node& node : shard.nodes) visit(node.value);
    }
  }

  size_t size() const {
    size_t size = 0;
    for (const Shard& shard : shards_) {
      MutexLock lock(shard.mutex);
      size += shard.nodes.size();
    }
    return size;
  }

 private:
  static constexpr size_t kShards = 64;

  struct Node {
    std::string key;
    Value value;
    bool used;  // since it was put, or since the hand last passed it
  };
  using Nodes = std::list<Node>;
  using Hash = absl::Hash<absl::string_view>;
  struct Shard {
    mutable Mutex mutex;
    Nodes nodes ABSL_GUARDED_BY(mutex);  // newest first
    // Where to look next for what makes room, going from the oldest to the newest; end: at the oldest.
    typename Nodes::iterator hand ABSL_GUARDED_BY(mutex) = nodes.end();
    // The keys lie in the nodes, which do not move.
    absl::flat_hash_map<absl::string_view, typename Nodes::iterator, Hash> index ABSL_GUARDED_BY(mutex);
  };

  static typename Nodes::iterator Newer(Shard& shard, typename Nodes::iterator node)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex) {
    return node == shard.nodes.begin() ? shard.nodes.end() : std::prev(node);
  }

  // The entry that is to make room.
  static typename Nodes::iterator Unused(Shard& shard) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex) {
    while (true) {
      if (shard.hand == shard.nodes.end()) --shard.hand;
      if (!shard.hand->used) return shard.hand;
      shard.hand->used = false;
      shard.hand = Newer(shard, shard.hand);
    }
  }

  static void Take(Shard& shard, typename Nodes::iterator node, Nodes& removed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex) {
    if (shard.hand == node) shard.hand = Newer(shard, node);
    shard.index.erase(node->key);
    removed.splice(removed.begin(), shard.nodes, node);
  }

  // By the hash's high bits: the maps inside the shards use the low ones.
  Shard& ShardOf(size_t hash) { return shards_[hash >> (sizeof(size_t) * 8 - 6)]; }
  static_assert(kShards == 1 << 6);

  const size_t shard_capacity_;
  std::array<Shard, kShards> shards_;
};

}  // namespace watchword
