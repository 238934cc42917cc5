#include <algorithm>
#include <atomic>
#include <set>

#include "absl/strings/str_cat.h"
#include "contract.h"

namespace watchword {
namespace {

// What must hold when callers race. Each test repeats the race, since one round may happen to run in order.
class RaceContract : public StoreContract {
 protected:
  void SetUp() override {
    StoreContract::SetUp();
    alice_ = AddPrincipal("alice");
  }

  bool Rotates(const Uuid& session, int64_t generation) {
    auto rotated = sessions().Rotate(session, generation, now_, now_ + absl::Hours(12));
    EXPECT_THAT(rotated, IsOk());
    return rotated.ok() && *rotated;
  }

  PrincipalRecord alice_;
};
INSTANTIATE_FOR_ALL_STORES(RaceContract);

TEST_P(RaceContract, OfAllThatRotateOneGenerationExactlyOneWins) {
  const SessionRecord session = AddSession(alice_);
  constexpr int kRounds = 100;
  std::vector<std::atomic<int>> winners(kRounds);
  InParallel(16, [&](int) {
    for (int round = 0; round < kRounds; ++round) winners[round] += Rotates(session.id, round) ? 1 : 0;
  });
  // A thread may be late for a round that is over, but nobody skips one: round n + 1 needs a winner of round n.
  int64_t total = 0;
  for (const auto& won : winners) {
    EXPECT_LE(won, 1);
    total += won;
  }
  EXPECT_EQ(sessions().Find(session.id)->session.generation, total);
  EXPECT_EQ(total, kRounds);
}

TEST_P(RaceContract, NoRotateSucceedsAfterRevokeReturned) {
  for (int round = 0; round < 30; ++round) {
    const SessionRecord session = AddSession(alice_);
    std::atomic<bool> revoked = false;
    std::atomic<int64_t> generation = 0;
    InParallel(4, [&](int i) {
      if (i == 0) {
        while (generation < 2) std::this_thread::yield();
        EXPECT_TRUE(sessions().Revoke(session.id, now_, forget_at_)->newly_revoked);
        revoked = true;
        return;
      }
      for (bool last = false; !last;) {
        last = revoked;  // read before the call: one more is made after Revoke returned
        const int64_t at = generation;
        const bool rotated = Rotates(session.id, at);
        EXPECT_FALSE(rotated && last);
        if (rotated) generation = at + 1;
      }
    });
  }
}

TEST_P(RaceContract, NoSessionOutlivesSetDisabledThatRacesItsCreation) {
  for (int round = 0; round < 30; ++round) {
    const PrincipalRecord user = AddPrincipal(absl::StrCat("user", round));
    std::vector<SessionRecord> created(3);
    std::atomic<bool> disabled = false;
    InParallel(4, [&](int i) {
      if (i == 3) {
        EXPECT_THAT(users().SetDisabled(user.id, true, now_, forget_at_), IsOk());
        disabled = true;
        return;
      }
      const bool too_late = disabled;
      created[i] = NewSession(user, now_ + absl::Seconds(i));
      const absl::Status status = sessions().Create(created[i], user.credential_version);
      EXPECT_FALSE(too_late && status.ok());
      EXPECT_THAT(status, testing::AnyOf(IsOk(), HasCode(absl::StatusCode::kFailedPrecondition)));
    });
    ASSERT_THAT(users().SetDisabled(user.id, false, now_, forget_at_), IsOk());
    for (const SessionRecord& session : created) {
      auto view = sessions().Find(session.id);
      EXPECT_TRUE(!view.ok() || view->revoked());
      EXPECT_FALSE(Rotates(session.id, 0));
    }
  }
}

TEST_P(RaceContract, SessionRevokedByManyIsInTheLogOnce) {
  for (int round = 0; round < 20; ++round) {
    const SessionRecord session = AddSession(alice_);
    std::atomic<int> newly_revoked = 0;
    InParallel(8,
               [&](int) { newly_revoked += sessions().Revoke(session.id, now_, forget_at_)->newly_revoked ? 1 : 0; });
    EXPECT_EQ(newly_revoked, 1);
  }
  EXPECT_EQ(Log().size(), 20u);
}

TEST_P(RaceContract, NameIsTakenByExactlyOne) {
  std::atomic<int> created = 0;
  InParallel(8, [&](int) {
    const absl::Status status = users().Create(NewPrincipal("bob"));
    created += status.ok() ? 1 : 0;
    EXPECT_THAT(status, testing::AnyOf(IsOk(), HasCode(absl::StatusCode::kAlreadyExists)));
  });
  EXPECT_EQ(created, 1);
}

TEST_P(RaceContract, ReaderThatSeesASeqHasSeenAllBelow) {
  constexpr int kWriters = 4;
  constexpr uint64_t kEach = 50;
  std::vector<std::vector<SessionRecord>> to_revoke(kWriters);
  for (auto& of_writer : to_revoke) {
    for (uint64_t i = 0; i < kEach; ++i) of_writer.push_back(AddSession(alice_));
  }
  std::vector<std::set<uint64_t>> given(kWriters);
  InParallel(kWriters + 2, [&](int i) {
    if (i < kWriters) {
      for (const SessionRecord& session : to_revoke[i]) {
        given[i].insert(sessions().Revoke(session.id, now_, forget_at_)->revocation.seq);
      }
      return;
    }
    for (uint64_t cursor = 0; cursor < kWriters * kEach;) {
      const uint64_t head = revocations().GetHead()->seq;
      auto read = revocations().ReadAfter(cursor, 1000);
      ASSERT_THAT(read, IsOk());
      for (const RevocationRecord& revocation : *read) ASSERT_EQ(revocation.seq, ++cursor);
      ASSERT_GE(cursor, head);  // what the head told of before can be read
    }
  });
  std::set<uint64_t> all;
  for (const auto& of_writer : given) all.insert(of_writer.begin(), of_writer.end());
  EXPECT_EQ(all.size(), kWriters * kEach);
  EXPECT_EQ(*all.begin(), 1u);
  EXPECT_EQ(*all.rbegin(), kWriters * kEach);
}

}  // namespace
}  // namespace watchword
