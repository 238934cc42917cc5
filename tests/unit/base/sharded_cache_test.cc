#include "watchword/base/sharded_cache.h"

#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"

namespace watchword {
namespace {

using testing::Optional;

TEST(ShardedCacheTest, FindsWhatWasPutForTheWholeKey) {
  ShardedCache<int> cache(100);
  const std::string prefix(700, 'x');
  cache.Put(prefix + "a", 1);
  cache.Put(prefix + "b", 2);
  EXPECT_THAT(cache.Find(prefix + "a"), Optional(1));
  EXPECT_THAT(cache.Find(prefix + "b"), Optional(2));
  EXPECT_EQ(cache.Find(prefix), std::nullopt);
  EXPECT_EQ(cache.Find(prefix + "c"), std::nullopt);
}

TEST(ShardedCacheTest, PutAgainReplacesAndGivesBackTheOldValue) {
  ShardedCache<int> cache(100);
  EXPECT_EQ(cache.Put("key", 1), std::nullopt);
  EXPECT_THAT(cache.Put("key", 2), Optional(1));
  EXPECT_THAT(cache.Find("key"), Optional(2));
  EXPECT_EQ(cache.size(), 1);
}

TEST(ShardedCacheTest, NeverHoldsMoreThanItsCapacityAndGivesBackWhatMadeRoom) {
  ShardedCache<int> cache(128);
  size_t pushed_out = 0;
  for (int i = 0; i < 10'000; ++i) pushed_out += cache.Put("key" + std::to_string(i), i).has_value() ? 1 : 0;
  EXPECT_LE(cache.size(), 128);
  EXPECT_GT(cache.size(), 64);
  EXPECT_EQ(pushed_out, 10'000 - cache.size());
}

TEST(ShardedCacheTest, WhatIsUsedStaysAndWhatIsNotGoes) {
  ShardedCache<int> cache(128);
  cache.Put("used", 1);
  cache.Put("unused", 2);
  for (int i = 0; i < 10'000; ++i) {
    cache.Put("key" + std::to_string(i), 3);
    ASSERT_THAT(cache.Find("used"), Optional(1)) << i;
  }
  EXPECT_EQ(cache.Find("unused"), std::nullopt);
}

// What is asked for once only, however much of it, pushes out nothing that is used.
TEST(ShardedCacheTest, WhatIsUsedNowAndThenOutlastsWhatIsUsedOnce) {
  ShardedCache<int> cache(6400);
  for (int i = 0; i < 100; ++i) cache.Put("used" + std::to_string(i), 1);
  for (int i = 0; i < 20'000; ++i) {
    cache.Put("once" + std::to_string(i), 2);
    if (i % 1000 != 0) continue;
    for (int u = 0; u < 100; ++u) ASSERT_THAT(cache.Find("used" + std::to_string(u)), Optional(1)) << i;
  }
}

TEST(ShardedCacheTest, WhatIsReplacedWhileItIsNextToMakeRoomLeavesTheRestInOrder) {
  ShardedCache<int> cache(64);  // one in each shard
  for (int i = 0; i < 5000; ++i) {
    const std::string key = "key" + std::to_string(i % 300);
    cache.Put(key, i);
    if (i % 3 != 0) cache.Put(key, -i);
    ASSERT_THAT(cache.Find(key), Optional(i % 3 != 0 ? -i : i));
    ASSERT_LE(cache.size(), 64);
  }
}

TEST(ShardedCacheTest, ForEachVisitsEveryEntryOnce) {
  ShardedCache<int> cache(1000);
  for (int i = 1; i <= 100; ++i) cache.Put("key" + std::to_string(i), i);
  int sum = 0;
  cache.ForEach([&sum](int value) { sum += value; });
  EXPECT_EQ(sum, 5050);
}

TEST(ShardedCacheTest, ManyThreadsMayUseIt) {
  ShardedCache<int> cache(64);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache] {
      for (int i = 0; i < 2000; ++i) {
        const std::string key = "key" + std::to_string(i % 200);
        cache.Put(key, i % 200);
        const auto found = cache.Find(key);
        if (found.has_value()) {
          EXPECT_EQ(*found, i % 200);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace watchword
