#include "watchword/base/sharded_lru_cache.h"

#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"

namespace watchword {
namespace {

using testing::Optional;

TEST(ShardedLruCacheTest, FindsWhatWasPutForTheWholeKey) {
  ShardedLruCache<int> cache(100);
  const std::string prefix(700, 'x');
  cache.Put(prefix + "a", 1);
  cache.Put(prefix + "b", 2);
  EXPECT_THAT(cache.Find(prefix + "a"), Optional(1));
  EXPECT_THAT(cache.Find(prefix + "b"), Optional(2));
  EXPECT_EQ(cache.Find(prefix), std::nullopt);
  EXPECT_EQ(cache.Find(prefix + "c"), std::nullopt);
}

TEST(ShardedLruCacheTest, PutAgainReplacesAndGivesBackTheOldValue) {
  ShardedLruCache<int> cache(100);
  EXPECT_EQ(cache.Put("key", 1), std::nullopt);
  EXPECT_THAT(cache.Put("key", 2), Optional(1));
  EXPECT_THAT(cache.Find("key"), Optional(2));
  EXPECT_EQ(cache.size(), 1);
}

TEST(ShardedLruCacheTest, NeverHoldsMoreThanItsCapacityAndGivesBackWhatMadeRoom) {
  ShardedLruCache<int> cache(128);
  size_t pushed_out = 0;
  for (int i = 0; i < 10'000; ++i) pushed_out += cache.Put("key" + std::to_string(i), i).has_value() ? 1 : 0;
  EXPECT_LE(cache.size(), 128);
  EXPECT_GT(cache.size(), 64);
  EXPECT_EQ(pushed_out, 10'000 - cache.size());
}

TEST(ShardedLruCacheTest, WhatIsUsedStaysAndWhatIsNotGoes) {
  ShardedLruCache<int> cache(128);
  cache.Put("used", 1);
  cache.Put("unused", 2);
  for (int i = 0; i < 10'000; ++i) {
    cache.Put("key" + std::to_string(i), 3);
    ASSERT_THAT(cache.Find("used"), Optional(1)) << i;
  }
  EXPECT_EQ(cache.Find("unused"), std::nullopt);
}

TEST(ShardedLruCacheTest, ForEachVisitsEveryEntryOnce) {
  ShardedLruCache<int> cache(1000);
  for (int i = 1; i <= 100; ++i) cache.Put("key" + std::to_string(i), i);
  int sum = 0;
  cache.ForEach([&sum](int value) { sum += value; });
  EXPECT_EQ(sum, 5050);
}

TEST(ShardedLruCacheTest, ManyThreadsMayUseIt) {
  ShardedLruCache<int> cache(64);
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
