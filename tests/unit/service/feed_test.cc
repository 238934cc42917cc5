#include "server/service/feed.h"

#include <condition_variable>
#include <mutex>

#include "gmock/gmock.h"
#include "testing/service_fixture.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

// Waits to be told.
class WaitingListener final : public Feed::Listener {
 public:
  void OnNews() override { Count(news_); }
  void OnHeartbeat() override { Count(heartbeats_); }
  void OnEnd() override { Count(ends_); }

  bool WaitForNews() { return Wait(news_); }
  bool WaitForEnd() { return Wait(ends_); }

 private:
  void Count(int& what) {
    std::lock_guard lock(mutex_);
    ++what;
    told_.notify_all();
  }
  bool Wait(int& what) {
    std::unique_lock lock(mutex_);
    return told_.wait_for(lock, std::chrono::seconds(10), [&] { return what > 0; });
  }

  std::mutex mutex_;
  std::condition_variable told_;
  int news_ = 0;
  int heartbeats_ = 0;
  int ends_ = 0;
};

class FeedTest : public ServiceTest {
 protected:
  absl::StatusOr<RevokeOutcome> RevokeOne() {
    const auto issued = Login();
    return store_->sessions().Revoke(*Uuid::Parse(issued->session_id), clock_.Now(), clock_.Now() + absl::Hours(1));
  }
};

TEST_F(FeedTest, ListenersHearOfWhatAnybodyWroteIntoTheLog) {
  WaitingListener listener;
  ASSERT_TRUE(feed_->Subscribe(&listener));
  ASSERT_THAT(RevokeOne(), IsOk());  // nobody announces it, as if another server had done it
  EXPECT_TRUE(listener.WaitForNews());
  EXPECT_THAT(*feed_->RecentAfter(0, 10), ElementsAre(Field(&RevocationRecord::seq, 1)));
  EXPECT_THAT(*feed_->RecentAfter(1, 10), IsEmpty());
  feed_->Unsubscribe(&listener);
}

TEST_F(FeedTest, WhatIsAnnouncedCountsAtOnce) {
  const auto issued = Login();
  const auto outcome = RevokeOne();
  feed_->Announce(outcome->revocation);
  EXPECT_GE(trust_.revocations().size(), 1);
}

TEST_F(FeedTest, RevocationsFromBeforeTheStartAreInForce) {
  const auto issued = Login();
  ASSERT_THAT(store_->sessions().Revoke(*Uuid::Parse(issued->session_id), clock_.Now(), clock_.Now() + absl::Hours(1)),
              IsOk());
  TrustState fresh(clock_);
  Feed restarted(store_->revocations(), fresh, clock_, log_);
  ASSERT_THAT(restarted.Start(), IsOk());
  EXPECT_EQ(fresh.revocations().size(), 1);
  EXPECT_EQ(restarted.position().head_seq, 1);
  EXPECT_EQ(restarted.position().epoch.size(), 16);
}

TEST_F(FeedTest, AfterTheNewestEntriesWereForgottenTheLogGoesOnFromItsHead) {
  ASSERT_THAT(RevokeOne(), IsOk());
  ASSERT_THAT(RevokeOne(), IsOk());
  ASSERT_EQ(*store_->revocations().DeleteExpired(clock_.Now() + absl::Hours(2), 10), 2);
  TrustState fresh(clock_);
  Feed restarted(store_->revocations(), fresh, clock_, log_);
  ASSERT_THAT(restarted.Start(), IsOk());
  EXPECT_EQ(restarted.position().head_seq, 2);
  EXPECT_THAT(*restarted.RecentAfter(2, 10), IsEmpty());
  EXPECT_THAT(restarted.RecentAfter(1, 10), HasCode(absl::StatusCode::kOutOfRange));
}

TEST_F(FeedTest, StoppingEndsListenersAndTakesNoNewOnes) {
  WaitingListener listener;
  ASSERT_TRUE(feed_->Subscribe(&listener));
  feed_->Stop();
  EXPECT_TRUE(listener.WaitForEnd());
  EXPECT_FALSE(feed_->Subscribe(&listener));
}

}  // namespace
}  // namespace watchword
