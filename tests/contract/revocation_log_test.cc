#include <limits>

#include "contract.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RevocationLogContract : public StoreContract {
 protected:
  void SetUp() override {
    StoreContract::SetUp();
    alice_ = AddPrincipal("alice");
  }

  // Appends an entry that is kept until `expires_at`.
  RevocationRecord Append(absl::Time expires_at) {
    return sessions().Revoke(AddSession(alice_).id, now_, expires_at)->revocation;
  }

  std::vector<uint64_t> SeqsAfter(uint64_t seq, size_t limit) {
    std::vector<uint64_t> seqs;
    auto read = revocations().ReadAfter(seq, limit);
    EXPECT_THAT(read, IsOk());
    if (read.ok()) {
      for (const RevocationRecord& revocation : *read) seqs.push_back(revocation.seq);
    }
    return seqs;
  }

  PrincipalRecord alice_;
};
INSTANTIATE_FOR_ALL_STORES(RevocationLogContract);

TEST_P(RevocationLogContract, NewLogIsEmptyAndHasAnEpochOfItsOwn) {
  auto head = revocations().GetHead();
  ASSERT_THAT(head, IsOk());
  EXPECT_EQ(head->seq, 0u);
  EXPECT_EQ(head->compacted_seq, 0u);
  EXPECT_EQ(head->epoch.size(), 16u);
  EXPECT_THAT(SeqsAfter(0, 10), IsEmpty());

  const auto other_database = GetParam().make_empty();
  auto other = other_database->Open();
  ASSERT_THAT(other, IsOk());
  EXPECT_NE((*other)->revocations().GetHead()->epoch, head->epoch);
}

TEST_P(RevocationLogContract, HeadSurvivesARestart) {
  Append(forget_at_);
  Append(forget_at_);
  Reopen();
  const auto after = revocations().GetHead();
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ(after->seq, 2u);
  EXPECT_EQ(Append(forget_at_).seq, 3u);
}

TEST_P(RevocationLogContract, ReadAfterContinuesWhereTheLastReadEnded) {
  for (int i = 0; i < 5; ++i) Append(forget_at_);
  EXPECT_THAT(SeqsAfter(0, 2), ElementsAre(1, 2));
  EXPECT_THAT(SeqsAfter(2, 2), ElementsAre(3, 4));
  EXPECT_THAT(SeqsAfter(4, 2), ElementsAre(5));
  EXPECT_THAT(SeqsAfter(5, 2), IsEmpty());
  EXPECT_THAT(SeqsAfter(0, 0), IsEmpty());
}

TEST_P(RevocationLogContract, CursorAheadOfTheLogReadsNothing) {
  Append(forget_at_);
  constexpr auto kSignedMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  for (const uint64_t cursor : {kSignedMax, kSignedMax + 1, std::numeric_limits<uint64_t>::max()}) {
    EXPECT_THAT(SeqsAfter(cursor, 10), IsEmpty());
  }
}

TEST_P(RevocationLogContract, EntriesAreReadBackToTheMicrosecond) {
  const SessionRecord session = AddSession(alice_);
  auto first = sessions().Revoke(session.id, now_ + kTick, forget_at_ + kTick);
  auto second = sessions().RevokeAll(alice_.id, now_ + 2 * kTick, forget_at_ - kTick);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  Reopen();
  const auto log = Log();
  ASSERT_EQ(log.size(), 2u);
  ExpectEqual(log[0], first->revocation);
  ExpectEqual(log[1], *second);
}

TEST_P(RevocationLogContract, EntryIsDeletedOnlyAfterItExpired) {
  Append(forget_at_);
  EXPECT_EQ(*revocations().DeleteExpired(forget_at_ - kTick, 10), 0u);
  EXPECT_EQ(*revocations().DeleteExpired(forget_at_, 10), 0u);
  EXPECT_EQ(revocations().GetHead()->compacted_seq, 0u);
  EXPECT_EQ(*revocations().DeleteExpired(forget_at_ + kTick, 10), 1u);
  EXPECT_EQ(revocations().GetHead()->compacted_seq, 1u);
  EXPECT_THAT(SeqsAfter(0, 10), IsEmpty());
}

TEST_P(RevocationLogContract, CompactedSeqIsTheHighestThatWasDeleted) {
  Append(forget_at_ + absl::Hours(1));  // 1: kept
  Append(forget_at_ + kTick);           // 2
  Append(forget_at_);                   // 3
  Append(forget_at_ + absl::Hours(1));  // 4: kept
  const absl::Time later = forget_at_ + absl::Minutes(1);
  EXPECT_EQ(*revocations().DeleteExpired(later, 1), 1u);
  EXPECT_THAT(SeqsAfter(0, 10), ElementsAre(1, 2, 4));
  EXPECT_EQ(revocations().GetHead()->compacted_seq, 3u);
  EXPECT_EQ(*revocations().DeleteExpired(later, 10), 1u);
  EXPECT_EQ(revocations().GetHead()->compacted_seq, 3u);
  EXPECT_EQ(*revocations().DeleteExpired(later, 10), 0u);
  EXPECT_THAT(SeqsAfter(0, 10), ElementsAre(1, 4));
  EXPECT_EQ(revocations().GetHead()->seq, 4u);
}

TEST_P(RevocationLogContract, DeletedSeqIsNeverGivenAgain) {
  Append(forget_at_);
  EXPECT_EQ(*revocations().DeleteExpired(forget_at_ + kTick, 10), 1u);
  Reopen();
  EXPECT_EQ(Append(forget_at_).seq, 2u);
}

TEST_P(RevocationLogContract, RefusedWriteLeavesNoGap) {
  Append(forget_at_);
  EXPECT_THAT(sessions().Revoke(NewId(now_), now_, forget_at_), HasCode(absl::StatusCode::kNotFound));
  EXPECT_THAT(sessions().RevokeAll(NewId(now_), now_, forget_at_), HasCode(absl::StatusCode::kNotFound));
  EXPECT_EQ(Append(forget_at_).seq, 2u);
}

}  // namespace
}  // namespace watchword
