#include "contract.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SessionStoreContract : public StoreContract {
 protected:
  void SetUp() override {
    StoreContract::SetUp();
    alice_ = AddPrincipal("alice");
  }

  std::vector<Uuid> LiveIds(absl::Time now, const Uuid& before = Uuid(), size_t limit = 100) {
    std::vector<Uuid> ids;
    auto live = sessions().ListLive(alice_.id, now, before, limit);
    EXPECT_THAT(live, IsOk());
    if (live.ok()) {
      for (const SessionRecord& session : *live) ids.push_back(session.id);
    }
    return ids;
  }

  bool Rotates(const SessionRecord& session, int64_t generation, absl::Time now) {
    auto rotated = sessions().Rotate(session.id, generation, now, now + absl::Hours(12));
    EXPECT_THAT(rotated, IsOk());
    return rotated.ok() && *rotated;
  }

  PrincipalRecord alice_;
};
INSTANTIATE_FOR_ALL_STORES(SessionStoreContract);

TEST_P(SessionStoreContract, WhatWasCreatedIsFoundWithItsPrincipal) {
  SessionRecord session = NewSession(alice_, now_);
  session.kind = SessionKind::kSessionToken;
  session.token_digest = std::string("\0\xff", 2) + std::string(30, 'd');
  session.binding = std::string(31, 'b') + std::string(1, '\0');
  session.generation = 3;
  session.rotated_at = now_ + 1 * kTick;
  session.last_used_at = now_ + 2 * kTick;
  session.idle_expires_at = now_ + 3 * kTick;
  session.expires_at = now_ + 4 * kTick;
  session.audiences = {"orders", "billing"};
  session.scopes = {std::string(255, 's'), "b"};
  session.include_username = true;
  session.revoked_at = now_ + 5 * kTick;
  ASSERT_THAT(sessions().Create(session, alice_.credential_version), IsOk());
  Reopen();
  for (const auto& view : {sessions().Find(session.id), sessions().FindByTokenDigest(session.token_digest)}) {
    ASSERT_THAT(view, IsOk());
    ExpectEqual(view->session, session);
    ExpectEqual(view->principal, alice_);
  }
}

TEST_P(SessionStoreContract, EmptyListsAndNoDigestAreKeptAsEmpty) {
  SessionRecord session = NewSession(alice_, now_);
  session.audiences.clear();
  session.scopes.clear();
  ASSERT_THAT(sessions().Create(session, alice_.credential_version), IsOk());
  AddSession(alice_);  // two without a digest do not collide
  ExpectEqual(sessions().Find(session.id)->session, session);
  EXPECT_THAT(sessions().FindByTokenDigest(""), HasCode(absl::StatusCode::kNotFound));
}

TEST_P(SessionStoreContract, UnknownSessionIsNotFound) {
  const Uuid nothing = NewId(now_);
  EXPECT_THAT(sessions().Find(nothing), HasCode(absl::StatusCode::kNotFound));
  EXPECT_THAT(sessions().FindByTokenDigest(std::string(32, 'x')), HasCode(absl::StatusCode::kNotFound));
  EXPECT_THAT(sessions().Revoke(nothing, now_, forget_at_), HasCode(absl::StatusCode::kNotFound));
  EXPECT_THAT(sessions().RevokeAll(nothing, now_, forget_at_), HasCode(absl::StatusCode::kNotFound));
  EXPECT_EQ(*sessions().Rotate(nothing, 0, now_, now_), false);
}

TEST_P(SessionStoreContract, TakenIdOrDigestAlreadyExists) {
  SessionRecord first = NewSession(alice_, now_);
  first.token_digest = std::string(32, 'd');
  ASSERT_THAT(sessions().Create(first, alice_.credential_version), IsOk());
  SessionRecord same_id = NewSession(alice_, now_);
  same_id.id = first.id;
  EXPECT_THAT(sessions().Create(same_id, alice_.credential_version), HasCode(absl::StatusCode::kAlreadyExists));
  SessionRecord same_digest = NewSession(alice_, now_);
  same_digest.token_digest = first.token_digest;
  EXPECT_THAT(sessions().Create(same_digest, alice_.credential_version), HasCode(absl::StatusCode::kAlreadyExists));
  ExpectEqual(sessions().Find(first.id)->session, first);
}

TEST_P(SessionStoreContract, ValueThatWouldBeReadBackAsAnotherIsRefused) {
  SessionRecord two_in_one = NewSession(alice_, now_);
  two_in_one.audiences = {"orders admin"};
  EXPECT_THAT(sessions().Create(two_in_one, alice_.credential_version), HasCode(absl::StatusCode::kInvalidArgument));
  SessionRecord short_digest = NewSession(alice_, now_);
  short_digest.token_digest = std::string(31, 'd');
  EXPECT_THAT(sessions().Create(short_digest, alice_.credential_version), HasCode(absl::StatusCode::kInvalidArgument));
}

TEST_P(SessionStoreContract, NoSessionForAnAccountThatIsGoneDisabledOrChanged) {
  const auto created_at = now_ + absl::Hours(1);
  EXPECT_THAT(sessions().Create(NewSession(NewPrincipal("ghost"), created_at), 1),
              HasCode(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(sessions().Create(NewSession(alice_, created_at), alice_.credential_version + 1),
              HasCode(absl::StatusCode::kFailedPrecondition));
  ASSERT_THAT(users().SetDisabled(alice_.id, true, now_, forget_at_), IsOk());
  const int64_t version = users().Find(alice_.id)->credential_version;
  const SessionRecord session = NewSession(alice_, created_at);
  EXPECT_THAT(sessions().Create(session, version), HasCode(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(sessions().Find(session.id), HasCode(absl::StatusCode::kNotFound));

  ASSERT_THAT(users().SetDisabled(alice_.id, false, now_, forget_at_), IsOk());
  EXPECT_THAT(sessions().Create(session, version), HasCode(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(sessions().Create(session, version + 1), IsOk());
}

TEST_P(SessionStoreContract, SessionMustBeginAfterAllWereEnded) {
  ASSERT_THAT(sessions().RevokeAll(alice_.id, now_, forget_at_), IsOk());
  const auto millisecond = absl::Milliseconds(1);
  EXPECT_THAT(sessions().Create(NewSession(alice_, now_ - millisecond), 1), HasCode(absl::StatusCode::kAborted));
  EXPECT_THAT(sessions().Create(NewSession(alice_, now_), 1), HasCode(absl::StatusCode::kAborted));
  const SessionRecord after = NewSession(alice_, now_ + millisecond);
  EXPECT_THAT(sessions().Create(after, 1), IsOk());
  EXPECT_FALSE(sessions().Find(after.id)->revoked());
}

TEST_P(SessionStoreContract, RotateMovesTheGenerationOnceAndNotesTheTime) {
  const SessionRecord session = AddSession(alice_);
  const absl::Time later = now_ + absl::Minutes(5) + kTick;
  EXPECT_EQ(*sessions().Rotate(session.id, 0, later, later + absl::Hours(1)), true);
  SessionRecord expected = session;
  expected.generation = 1;
  expected.rotated_at = expected.last_used_at = later;
  expected.idle_expires_at = later + absl::Hours(1);
  ExpectEqual(sessions().Find(session.id)->session, expected);
  EXPECT_FALSE(Rotates(session, 0, later));
  EXPECT_FALSE(Rotates(session, 2, later));
  ExpectEqual(sessions().Find(session.id)->session, expected);
  EXPECT_TRUE(Rotates(session, 1, later));
}

TEST_P(SessionStoreContract, IdleSessionDoesNotRotate) {
  const SessionRecord session = AddSession(alice_);
  EXPECT_FALSE(Rotates(session, 0, session.idle_expires_at + kTick));
  EXPECT_FALSE(Rotates(session, 0, session.idle_expires_at));
  EXPECT_TRUE(Rotates(session, 0, session.idle_expires_at - kTick));
}

TEST_P(SessionStoreContract, ExpiredSessionDoesNotRotate) {
  SessionRecord session = NewSession(alice_, now_);
  session.idle_expires_at = session.expires_at + absl::Hours(1);
  ASSERT_THAT(sessions().Create(session, 1), IsOk());
  EXPECT_FALSE(Rotates(session, 0, session.expires_at + kTick));
  EXPECT_FALSE(Rotates(session, 0, session.expires_at));
  EXPECT_TRUE(Rotates(session, 0, session.expires_at - kTick));
}

TEST_P(SessionStoreContract, EndedSessionDoesNotRotate) {
  const SessionRecord revoked = AddSession(alice_);
  ASSERT_THAT(sessions().Revoke(revoked.id, now_, forget_at_), IsOk());
  EXPECT_FALSE(Rotates(revoked, 0, now_));

  const SessionRecord of_all = AddSession(alice_);
  const SessionRecord newer = NewSession(alice_, now_ + absl::Milliseconds(1));
  ASSERT_THAT(sessions().RevokeAll(alice_.id, now_, forget_at_), IsOk());
  ASSERT_THAT(sessions().Create(newer, 1), IsOk());
  EXPECT_FALSE(Rotates(of_all, 0, now_ + absl::Minutes(1)));
  EXPECT_TRUE(Rotates(newer, 0, now_ + absl::Minutes(1)));

  ASSERT_THAT(users().SetDisabled(alice_.id, true, now_ + absl::Minutes(2), forget_at_), IsOk());
  EXPECT_FALSE(Rotates(newer, 1, now_ + absl::Minutes(3)));
}

TEST_P(SessionStoreContract, RevokeEndsOneSessionAndIsInTheLog) {
  const SessionRecord session = AddSession(alice_);
  const SessionRecord other = AddSession(alice_);
  auto outcome = sessions().Revoke(session.id, now_ + kTick, forget_at_);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_TRUE(outcome->newly_revoked);
  EXPECT_EQ(outcome->revocation.seq, 1u);
  EXPECT_EQ(outcome->revocation.kind, RevocationKind::kSession);
  EXPECT_EQ(outcome->revocation.target, session.id);
  EXPECT_EQ(outcome->revocation.created_at, now_ + kTick);
  EXPECT_EQ(outcome->revocation.expires_at, forget_at_);
  EXPECT_TRUE(sessions().Find(session.id)->revoked());
  EXPECT_EQ(sessions().Find(session.id)->session.revoked_at, now_ + kTick);
  EXPECT_FALSE(sessions().Find(other.id)->revoked());
  ASSERT_EQ(Log().size(), 1u);
  ExpectEqual(Log()[0], outcome->revocation);
}

TEST_P(SessionStoreContract, SessionThatEndedBeforeIsNotRevokedAgain) {
  const SessionRecord session = AddSession(alice_);
  ASSERT_THAT(sessions().Revoke(session.id, now_, forget_at_), IsOk());
  EXPECT_FALSE(sessions().Revoke(session.id, now_ + kTick, forget_at_)->newly_revoked);
  EXPECT_EQ(sessions().Find(session.id)->session.revoked_at, now_);

  const SessionRecord of_all = AddSession(alice_);
  ASSERT_THAT(sessions().RevokeAll(alice_.id, now_, forget_at_), IsOk());
  EXPECT_FALSE(sessions().Revoke(of_all.id, now_, forget_at_)->newly_revoked);
  EXPECT_EQ(Log().size(), 2u);
}

TEST_P(SessionStoreContract, RevokeAllCoversASessionThatAnotherClockPutInTheFuture) {
  const SessionRecord ahead = AddSession(alice_, now_ + absl::Seconds(7));
  AddSession(alice_, now_);
  auto revocation = sessions().RevokeAll(alice_.id, now_, forget_at_);
  ASSERT_THAT(revocation, IsOk());
  EXPECT_EQ(revocation->began_until, ahead.created_at);
  EXPECT_EQ(users().Find(alice_.id)->sessions_revoked_until, ahead.created_at);
  EXPECT_TRUE(sessions().Find(ahead.id)->revoked());
}

TEST_P(SessionStoreContract, RevokeAllIsRoundedUpToAMillisecond) {
  EXPECT_EQ(sessions().RevokeAll(alice_.id, now_, forget_at_)->began_until, now_);
  const absl::Time next = now_ + absl::Milliseconds(1);
  EXPECT_EQ(sessions().RevokeAll(alice_.id, now_ + kTick, forget_at_)->began_until, next);
  EXPECT_EQ(sessions().RevokeAll(alice_.id, next - kTick, forget_at_)->began_until, next);
  EXPECT_EQ(users().Find(alice_.id)->sessions_revoked_until, next);
}

TEST_P(SessionStoreContract, RevokeAllNeverMovesBackwardsAndSparesOthers) {
  const PrincipalRecord bob = AddPrincipal("bob");
  const SessionRecord of_bob = AddSession(bob);
  ASSERT_THAT(sessions().RevokeAll(alice_.id, now_, forget_at_), IsOk());
  EXPECT_EQ(sessions().RevokeAll(alice_.id, now_ - absl::Hours(1), forget_at_)->began_until, now_);
  EXPECT_EQ(users().Find(alice_.id)->sessions_revoked_until, now_);
  EXPECT_FALSE(sessions().Find(of_bob.id)->revoked());
}

TEST_P(SessionStoreContract, RevocationOfASessionTokenIsKeptUntilItsSessionWouldHaveEnded) {
  SessionRecord session = NewSession(alice_, now_);
  session.kind = SessionKind::kSessionToken;
  session.token_digest = std::string(32, 'd');
  ASSERT_THAT(sessions().Create(session, alice_.credential_version), IsOk());
  ASSERT_LT(forget_at_, session.expires_at);
  EXPECT_EQ(sessions().Revoke(session.id, now_, forget_at_)->revocation.expires_at, session.expires_at);
  const absl::Time later = session.expires_at + kTick;
  EXPECT_EQ(sessions().RevokeAll(alice_.id, now_, forget_at_)->expires_at, session.expires_at);
  EXPECT_EQ(sessions().RevokeAll(alice_.id, now_, later)->expires_at, later);
  const SessionRecord other = AddSession(AddPrincipal("bob"));
  EXPECT_EQ(sessions().Revoke(other.id, now_, forget_at_)->revocation.expires_at, forget_at_);
  EXPECT_EQ(sessions().RevokeAll(other.principal, now_, forget_at_)->expires_at, forget_at_);
}

TEST_P(SessionStoreContract, ActivityMovesTimesForwardsOnly) {
  const SessionRecord session = AddSession(alice_);
  const absl::Time later = now_ + absl::Minutes(1);
  const absl::Time idle = session.idle_expires_at + absl::Minutes(1);
  const SessionStore::Activity activities[] = {
      {session.id, later, idle}, {NewId(now_), later, idle}, {session.id, later - kTick, idle - kTick}};
  ASSERT_THAT(sessions().NoteActivity(activities), IsOk());
  ASSERT_THAT(sessions().NoteActivity({}), IsOk());
  SessionRecord expected = session;
  expected.last_used_at = later;
  expected.idle_expires_at = idle;
  ExpectEqual(sessions().Find(session.id)->session, expected);
}

TEST_P(SessionStoreContract, ListLiveIsNewestFirstInPages) {
  const auto millisecond = absl::Milliseconds(1);
  const SessionRecord first = AddSession(alice_, now_);
  const SessionRecord third = AddSession(alice_, now_ + 2 * millisecond);
  const SessionRecord second = AddSession(alice_, now_ + millisecond);
  AddSession(AddPrincipal("bob"));
  EXPECT_THAT(LiveIds(now_), ElementsAre(third.id, second.id, first.id));
  EXPECT_THAT(LiveIds(now_, Uuid(), 2), ElementsAre(third.id, second.id));
  EXPECT_THAT(LiveIds(now_, second.id, 2), ElementsAre(first.id));
  EXPECT_THAT(LiveIds(now_, first.id), IsEmpty());
  EXPECT_THAT(LiveIds(now_, Uuid(), 0), IsEmpty());
  ExpectEqual(sessions().ListLive(alice_.id, now_, second.id, 1)->front(), first);
}

TEST_P(SessionStoreContract, ListLiveLeavesOutWhatEnded) {
  const SessionRecord revoked = AddSession(alice_);
  const SessionRecord live = AddSession(alice_);
  ASSERT_THAT(sessions().Revoke(revoked.id, now_, forget_at_), IsOk());
  EXPECT_THAT(LiveIds(now_), ElementsAre(live.id));
  EXPECT_THAT(LiveIds(live.idle_expires_at - kTick), ElementsAre(live.id));
  EXPECT_THAT(LiveIds(live.idle_expires_at), IsEmpty());
  ASSERT_THAT(sessions().RevokeAll(alice_.id, now_, forget_at_), IsOk());
  EXPECT_THAT(LiveIds(now_), IsEmpty());
}

TEST_P(SessionStoreContract, ListLiveOfADisabledAccountIsEmpty) {
  AddSession(alice_);
  ASSERT_THAT(users().SetDisabled(alice_.id, true, now_, forget_at_), IsOk());
  EXPECT_THAT(LiveIds(now_), IsEmpty());
}

TEST_P(SessionStoreContract, SessionIsDeletedOnlyAfterItExpiredIdleOrForGood) {
  const SessionRecord idle = AddSession(alice_);
  SessionRecord used = NewSession(alice_, now_);
  used.idle_expires_at = used.expires_at + absl::Hours(1);
  ASSERT_THAT(sessions().Create(used, 1), IsOk());
  EXPECT_EQ(*sessions().DeleteExpired(idle.idle_expires_at, 10), 0u);
  EXPECT_EQ(*sessions().DeleteExpired(idle.idle_expires_at + kTick, 10), 1u);
  EXPECT_THAT(sessions().Find(idle.id), HasCode(absl::StatusCode::kNotFound));
  EXPECT_EQ(*sessions().DeleteExpired(used.expires_at, 10), 0u);
  EXPECT_EQ(*sessions().DeleteExpired(used.expires_at + kTick, 10), 1u);
  EXPECT_THAT(sessions().Find(used.id), HasCode(absl::StatusCode::kNotFound));
}

TEST_P(SessionStoreContract, DeleteExpiredStopsAtTheLimit) {
  for (int i = 0; i < 5; ++i) AddSession(alice_);
  const absl::Time later = now_ + absl::Hours(1000);
  EXPECT_EQ(*sessions().DeleteExpired(later, 0), 0u);
  EXPECT_EQ(*sessions().DeleteExpired(later, 2), 2u);
  EXPECT_EQ(*sessions().DeleteExpired(later, 10), 3u);
  EXPECT_EQ(*sessions().DeleteExpired(later, 10), 0u);
}

TEST_P(SessionStoreContract, UseKeepsASessionFromBeingDeleted) {
  const SessionRecord session = AddSession(alice_);
  const absl::Time idle = session.idle_expires_at + absl::Minutes(1);
  const SessionStore::Activity activities[] = {{session.id, now_, idle}};
  ASSERT_THAT(sessions().NoteActivity(activities), IsOk());
  EXPECT_EQ(*sessions().DeleteExpired(idle, 10), 0u);
  EXPECT_EQ(*sessions().DeleteExpired(idle + kTick, 10), 1u);
}

TEST_P(SessionStoreContract, PingIsOkOnAStoreThatCanWrite) { EXPECT_THAT(store_->Ping(), IsOk()); }

}  // namespace
}  // namespace watchword
