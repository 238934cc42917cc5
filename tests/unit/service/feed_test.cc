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
  void OnTick() override { Count(ticks_); }
  void OnNewEpoch() override { Count(epochs_); }
  void OnEnd() override { Count(ends_); }

  bool WaitForNews() { return Wait(news_); }
  bool WaitForEnd() { return Wait(ends_); }
  bool WaitForNewEpoch() { return Wait(epochs_); }
  // More of them than there were.
  bool WaitForTicks(int more) { return Wait(ticks_, Read(ticks_) + more); }
  int epochs() { return Read(epochs_); }

 private:
  void Count(int& what) {
    std::lock_guard lock(mutex_);
    ++what;
    told_.notify_all();
  }
  bool Wait(int& what, int at_least = 1) {
    std::unique_lock lock(mutex_);
    return told_.wait_for(lock, std::chrono::seconds(10), [&] { return what >= at_least; });
  }
  int Read(int& what) {
    std::lock_guard lock(mutex_);
    return what;
  }

  std::mutex mutex_;
  std::condition_variable told_;
  int news_ = 0;
  int heartbeats_ = 0;
  int ticks_ = 0;
  int epochs_ = 0;
  int ends_ = 0;
};

// A log in memory, to which may happen what happens to databases.
class FakeLog final : public RevocationLog {
 public:
  absl::StatusOr<Head> GetHead() override {
    std::lock_guard lock(mutex_);
    ++reads_;
    read_.notify_all();
    return head_;
  }
  absl::StatusOr<std::vector<RevocationRecord>> ReadAfter(uint64_t seq, size_t limit) override {
    std::unique_lock lock(mutex_);
    hang_.wait(lock, [this] { return !hanging_; });
    std::vector<RevocationRecord> found;
    for (const RevocationRecord& entry : entries_) {
      if (entry.seq > seq && found.size() < limit) found.push_back(entry);
    }
    return found;
  }
  absl::StatusOr<size_t> DeleteExpired(absl::Time, size_t) override { return 0; }
  absl::StatusOr<bool> BeginEpoch(absl::string_view old_epoch, absl::string_view new_epoch) override {
    std::lock_guard lock(mutex_);
    ++begun_;
    if (head_.epoch != old_epoch) return false;
    head_.epoch = std::string(new_epoch);
    return true;
  }

  void Append(absl::Time created_at) {
    std::lock_guard lock(mutex_);
    entries_.push_back({.seq = ++head_.seq, .created_at = created_at, .expires_at = created_at + absl::Hours(1)});
  }
  void LoseNewest() {
    std::lock_guard lock(mutex_);
    entries_.pop_back();
    --head_.seq;
  }
  void Compact() {
    std::lock_guard lock(mutex_);
    entries_.clear();
    head_.compacted_seq = head_.seq;
  }
  void SetEpoch(const std::string& epoch) {
    std::lock_guard lock(mutex_);
    head_.epoch = epoch;
  }
  void Hang(bool hanging) {
    std::lock_guard lock(mutex_);
    hanging_ = hanging;
    hang_.notify_all();
  }
  // Whether the log is read `more` times from now on.
  bool WaitForReads(int more) {
    std::unique_lock lock(mutex_);
    const int wanted = reads_ + more;
    return read_.wait_for(lock, std::chrono::seconds(10), [&] { return reads_ >= wanted; });
  }
  int begun() {
    std::lock_guard lock(mutex_);
    return begun_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable read_, hang_;
  Head head_{.epoch = std::string(16, 'a')};
  std::vector<RevocationRecord> entries_;
  bool hanging_ = false;
  int reads_ = 0;
  int begun_ = 0;
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
  Feed restarted(store_->revocations(), fresh, clock_, SystemRandom(), log_);
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
  Feed restarted(store_->revocations(), fresh, clock_, SystemRandom(), log_);
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

// A feed on a log to which something happens.
class FeedEpochTest : public FeedTest {
 protected:
  void SetUp() override {
    for (int i = 0; i < 3; ++i) log_with_gaps_.Append(clock_.Now() + absl::Seconds(i));
    ASSERT_THAT(followed_.Start(), IsOk());
    ASSERT_TRUE(followed_.Subscribe(&listener_));
  }
  void TearDown() override { followed_.Unsubscribe(&listener_); }

  FakeLog log_with_gaps_;
  Feed followed_{log_with_gaps_, trust_, clock_, SystemRandom(), log_};
  WaitingListener listener_;
};

TEST_F(FeedEpochTest, LogThatIsShorterThanItWasBeginsANewEpoch) {
  const std::string before = followed_.position().epoch;
  log_with_gaps_.LoseNewest();
  ASSERT_TRUE(listener_.WaitForNewEpoch());
  EXPECT_NE(followed_.position().epoch, before);
  EXPECT_EQ(followed_.position().epoch, log_with_gaps_.GetHead()->epoch);
  EXPECT_EQ(followed_.position().head_seq, 2);
  EXPECT_THAT(*followed_.RecentAfter(0, 10), testing::SizeIs(2));
  EXPECT_EQ(trust_.revocations().size(), 1) << "the three are one of the nil session; what was revoked stays so";
}

TEST_F(FeedEpochTest, LogThatWasWrittenAnewFromAnOlderEntryBeginsANewEpoch) {
  log_with_gaps_.Hang(true);
  log_with_gaps_.LoseNewest();
  log_with_gaps_.Append(clock_.Now() + absl::Seconds(99));  // of the same seq
  log_with_gaps_.Append(clock_.Now() + absl::Seconds(99));
  log_with_gaps_.Hang(false);
  ASSERT_TRUE(listener_.WaitForNewEpoch());
  EXPECT_EQ(log_with_gaps_.begun(), 1);
  EXPECT_EQ(followed_.position().head_seq, 4);
}

TEST_F(FeedEpochTest, EpochThatAnotherServerHasBegunIsTakenOver) {
  log_with_gaps_.SetEpoch(std::string(16, 'b'));
  ASSERT_TRUE(listener_.WaitForNewEpoch());
  EXPECT_EQ(followed_.position().epoch, std::string(16, 'b'));
  EXPECT_EQ(log_with_gaps_.begun(), 0);
}

TEST_F(FeedEpochTest, DeletingWhatHasExpiredIsNoNewEpoch) {
  log_with_gaps_.Compact();
  ASSERT_TRUE(log_with_gaps_.WaitForReads(3));
  log_with_gaps_.Append(clock_.Now());
  ASSERT_TRUE(listener_.WaitForNews());
  EXPECT_EQ(listener_.epochs(), 0);
  EXPECT_EQ(log_with_gaps_.begun(), 0);
  EXPECT_EQ(followed_.position().head_seq, 4);
}

TEST_F(FeedEpochTest, TicksGoOnWhileTheLogHangs) {
  log_with_gaps_.Hang(true);
  EXPECT_TRUE(listener_.WaitForTicks(5));
  log_with_gaps_.Hang(false);
}

}  // namespace
}  // namespace watchword
