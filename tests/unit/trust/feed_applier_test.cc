#include "watchword/trust/feed_applier.h"

#include <string>

#include "feed_messages.h"
#include "gmock/gmock.h"
#include "testing/status_matchers.h"
#include "testing/test_signer.h"
#include "watchword/base/testing/fake_clock.h"

namespace watchword {
namespace {

using absl::StatusCode;

class FeedApplierTest : public testing::Test {
 protected:
  bool IsRevoked(const Uuid& session) {
    Claims claims;
    claims.session_id = session.ToString();
    return trust_.revocations().IsRevoked(VerifiedCredential::AssumeVerified(std::move(claims), "key"));
  }
  std::string Cursor() {
    const v1::Hello hello = applier_.StartStream();
    return hello.epoch() + "/" + std::to_string(hello.last_seq());
  }

  FakeClock clock_;
  TrustState trust_{clock_};
  FeedApplier applier_{trust_, StderrLogger()};
  const Uuid a_ = NewSessionId(), b_ = NewSessionId(), c_ = NewSessionId();
};

TEST_F(FeedApplierTest, ReadyWithKeysAndTheFirstSnapshotEvenAnEmptyOne) {
  EXPECT_EQ(Cursor(), "/0");
  ASSERT_THAT(applier_.Apply(KeysMessage({TestSigner(Algorithm::kEs256).jwk()})), IsOk());
  EXPECT_FALSE(applier_.ready());
  EXPECT_TRUE(trust_.keys()->empty()) << "with keys alone, those who were revoked before would be let in";
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 7, {})), IsOk());
  EXPECT_TRUE(applier_.ready());
  EXPECT_EQ(trust_.keys()->size(), 1u);
  EXPECT_EQ(Cursor(), "e1/7");
}

TEST_F(FeedApplierTest, PartOfASnapshotRefusesAtOnceButTheCursorMovesWithTheLast) {
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 9, {SessionEntry(3, a_)}, /*last=*/false)), IsOk());
  EXPECT_TRUE(IsRevoked(a_));
  EXPECT_FALSE(applier_.ready());
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 9, {SessionEntry(8, b_)})), IsOk());
  EXPECT_TRUE(IsRevoked(a_));
  EXPECT_TRUE(IsRevoked(b_));
}

TEST_F(FeedApplierTest, HalfASnapshotMovesNoCursorAndUnrevokesNothing) {
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 9, {SessionEntry(3, a_)}, /*last=*/false)), IsOk());
  EXPECT_EQ(Cursor(), "/0");
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 9, {SessionEntry(8, b_)})), IsOk());
  EXPECT_EQ(Cursor(), "e1/9");
  EXPECT_TRUE(IsRevoked(a_));
}

TEST_F(FeedApplierTest, EntriesFollowWithoutAGap) {
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 5, {})), IsOk());
  ASSERT_THAT(applier_.Apply(RevocationsMessage({SessionEntry(6, a_), SessionEntry(7, b_)})), IsOk());
  EXPECT_THAT(applier_.Apply(RevocationsMessage({SessionEntry(9, c_)})), HasCode(StatusCode::kDataLoss));
  EXPECT_TRUE(IsRevoked(a_));
  EXPECT_TRUE(IsRevoked(b_));
  EXPECT_FALSE(IsRevoked(c_));
  EXPECT_EQ(Cursor(), "e1/7");
}

TEST_F(FeedApplierTest, EntryReceivedTwiceChangesNothing) {
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 5, {})), IsOk());
  ASSERT_THAT(applier_.Apply(RevocationsMessage({SessionEntry(6, a_)})), IsOk());
  ASSERT_THAT(applier_.Apply(RevocationsMessage({SessionEntry(5, b_), SessionEntry(6, a_), SessionEntry(7, c_)})),
              IsOk());
  EXPECT_EQ(trust_.revocations().size(), 2u);
  EXPECT_EQ(Cursor(), "e1/7");
}

TEST_F(FeedApplierTest, RevocationsBeforeTheFirstSnapshotAreRefused) {
  EXPECT_THAT(applier_.Apply(RevocationsMessage({SessionEntry(1, a_)})), HasCode(StatusCode::kInvalidArgument));
}

TEST_F(FeedApplierTest, NewEpochMovesTheCursorAndUnrevokesNothing) {
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 5, {SessionEntry(5, a_)})), IsOk());
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e2", 2, {SessionEntry(2, b_)})), IsOk());
  EXPECT_TRUE(IsRevoked(a_));
  EXPECT_TRUE(IsRevoked(b_));
  EXPECT_EQ(Cursor(), "e2/2");
  ASSERT_THAT(applier_.Apply(RevocationsMessage({SessionEntry(3, c_)})), IsOk());
  EXPECT_TRUE(IsRevoked(c_));
}

TEST_F(FeedApplierTest, SecondHeartbeatAheadOfEverythingReceivedIsAGap) {
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 5, {})), IsOk());
  EXPECT_THAT(applier_.Apply(HeartbeatMessage(5)), IsOk());
  EXPECT_THAT(applier_.Apply(HeartbeatMessage(6)), IsOk());
  EXPECT_THAT(applier_.Apply(HeartbeatMessage(6)), HasCode(StatusCode::kDataLoss));
}

TEST_F(FeedApplierTest, HeartbeatThatRunsAheadOfItsEntriesIsNoGap) {
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 5, {})), IsOk());
  EXPECT_THAT(applier_.Apply(HeartbeatMessage(6)), IsOk());
  EXPECT_THAT(applier_.Apply(RevocationsMessage({SessionEntry(6, a_)})), IsOk());
  EXPECT_THAT(applier_.Apply(HeartbeatMessage(7)), IsOk());
  EXPECT_THAT(applier_.Apply(RevocationsMessage({SessionEntry(7, b_)})), IsOk());
  EXPECT_THAT(applier_.Apply(HeartbeatMessage(8)), IsOk());
}

// The clock of this machine is an hour ahead, say, and will be set right: what it takes for expired is in force.
TEST_F(FeedApplierTest, RevocationThatOnlyOurOwnClockTakesForExpiredIsKept) {
  const absl::Time right_time = clock_.Now();
  clock_.Advance(absl::Hours(1));
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 1, {SessionEntry(1, a_)})), IsOk());
  v1::WatchResponse heartbeat = HeartbeatMessage(1);
  heartbeat.mutable_heartbeat()->mutable_server_time()->set_seconds(absl::ToUnixSeconds(right_time));
  ASSERT_THAT(applier_.Apply(heartbeat), IsOk());
  ASSERT_THAT(applier_.Apply(RevocationsMessage({SessionEntry(2, b_)})), IsOk());
  EXPECT_TRUE(IsRevoked(a_));
  EXPECT_TRUE(IsRevoked(b_));
  EXPECT_EQ(applier_.forgetting_time(), right_time);
}

TEST_F(FeedApplierTest, ForgettingTimeIsOursIfTheAuthServiceIsAheadAndNeverComesBeforeAHeartbeat) {
  EXPECT_EQ(applier_.forgetting_time(), absl::InfinitePast());
  v1::WatchResponse heartbeat = HeartbeatMessage(0);
  heartbeat.mutable_heartbeat()->mutable_server_time()->set_seconds(absl::ToUnixSeconds(clock_.Now()) + 3600);
  ASSERT_THAT(applier_.Apply(heartbeat), IsOk());
  EXPECT_EQ(applier_.forgetting_time(), clock_.Now());
}

TEST_F(FeedApplierTest, HeartbeatMakesFreshOnlyIfNothingIsMissing) {
  ASSERT_THAT(applier_.Apply(HeartbeatMessage(0)), IsOk());
  EXPECT_EQ(trust_.staleness(), absl::InfiniteDuration()) << "no snapshot yet";
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 5, {SessionEntry(5, a_)}, /*last=*/false)), IsOk());
  ASSERT_THAT(applier_.Apply(HeartbeatMessage(5)), IsOk());
  EXPECT_EQ(trust_.staleness(), absl::InfiniteDuration()) << "half a snapshot";
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 5, {})), IsOk());
  ASSERT_THAT(applier_.Apply(HeartbeatMessage(6)), IsOk());
  EXPECT_EQ(trust_.staleness(), absl::InfiniteDuration()) << "an entry has not come";
  ASSERT_THAT(applier_.Apply(RevocationsMessage({SessionEntry(6, b_)})), IsOk());
  ASSERT_THAT(applier_.Apply(HeartbeatMessage(6)), IsOk());
  EXPECT_EQ(trust_.staleness(), absl::ZeroDuration());
  clock_.Advance(absl::Seconds(7));
  EXPECT_EQ(trust_.staleness(), absl::Seconds(7));
}

// A verifier that was stopped for a minute reads what has come meanwhile, or the network is as slow as that.
TEST_F(FeedApplierTest, HeartbeatThatWasUnderWayForLongCountsFromWhenItWasSent) {
  const absl::Time server = clock_.Now() - absl::Hours(3);  // its clock need not be right
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 5, {})), IsOk());
  ASSERT_THAT(applier_.Apply(HeartbeatMessage(5, server)), IsOk());
  clock_.Advance(absl::Seconds(60));
  for (int second = 1; second <= 60; ++second) {
    ASSERT_THAT(applier_.Apply(HeartbeatMessage(5, server + absl::Seconds(second))), IsOk());
    EXPECT_GE(trust_.staleness(), absl::Seconds(60 - second) - absl::Milliseconds(100)) << second;
    EXPECT_LE(trust_.staleness(), absl::Seconds(60 - second)) << second;
  }
  EXPECT_LE(applier_.delay(), absl::Milliseconds(100));
}

TEST_F(FeedApplierTest, SlowDriftBetweenTheClocksIsNoDelay) {
  const absl::Time server = clock_.Now();
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 5, {})), IsOk());
  for (int second = 0; second < 86'400; ++second) {  // the server's clock loses 43 seconds in this day
    ASSERT_THAT(applier_.Apply(HeartbeatMessage(5, server + 0.9995 * absl::Seconds(second))), IsOk());
    ASSERT_EQ(applier_.delay(), absl::ZeroDuration()) << second;
    clock_.Advance(absl::Seconds(1));
  }
}

TEST_F(FeedApplierTest, ServerWhoseClockIsSetBackLooksLateUntilTheNextStream) {
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 5, {})), IsOk());
  ASSERT_THAT(applier_.Apply(HeartbeatMessage(5, clock_.Now())), IsOk());
  clock_.Advance(absl::Seconds(1));
  ASSERT_THAT(applier_.Apply(HeartbeatMessage(5, clock_.Now() - absl::Hours(1))), IsOk());
  EXPECT_GT(applier_.delay(), absl::Minutes(59));
  EXPECT_EQ(trust_.staleness(), absl::Seconds(1)) << "what was heard before was heard";
  applier_.StartStream();
  ASSERT_THAT(applier_.Apply(HeartbeatMessage(5, clock_.Now() - absl::Hours(1))), IsOk());
  EXPECT_EQ(applier_.delay(), absl::ZeroDuration());
  EXPECT_EQ(trust_.staleness(), absl::ZeroDuration());
}

// Such as one that reads a copy of the database which lags behind.
TEST_F(FeedApplierTest, ServerThatIsBehindWhatWasKnownDoesNotMakeFreshUntilItHasCaughtUp) {
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 5, {SessionEntry(5, a_)})), IsOk());
  ASSERT_THAT(applier_.Apply(RevocationsMessage({SessionEntry(6, b_)})), IsOk());
  ASSERT_THAT(applier_.Apply(HeartbeatMessage(6)), IsOk());
  EXPECT_EQ(Cursor(), "e1/6");
  clock_.Advance(absl::Seconds(3));
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 5, {SessionEntry(5, a_)})), IsOk());
  ASSERT_THAT(applier_.Apply(HeartbeatMessage(5)), IsOk());
  EXPECT_TRUE(IsRevoked(b_));
  EXPECT_EQ(trust_.staleness(), absl::Seconds(3));
  ASSERT_THAT(applier_.Apply(RevocationsMessage({SessionEntry(6, b_)})), IsOk());
  ASSERT_THAT(applier_.Apply(HeartbeatMessage(6)), IsOk());
  EXPECT_EQ(trust_.staleness(), absl::ZeroDuration());
}

TEST_F(FeedApplierTest, LogOfANewEpochIsBehindNothing) {
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 5, {})), IsOk());
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e2", 2, {})), IsOk());
  ASSERT_THAT(applier_.Apply(HeartbeatMessage(2)), IsOk());
  EXPECT_EQ(trust_.staleness(), absl::ZeroDuration());
}

TEST_F(FeedApplierTest, EntryThatHasExpiredIsNotKeptButTheCursorPassesIt) {
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 0, {})), IsOk());
  clock_.Advance(absl::Minutes(5) + kRevocationMargin - absl::Nanoseconds(1));  // the entries last five minutes
  ASSERT_THAT(applier_.Apply(HeartbeatMessage(0, clock_.Now())), IsOk());
  ASSERT_THAT(applier_.Apply(RevocationsMessage({SessionEntry(1, a_)})), IsOk());
  EXPECT_EQ(trust_.revocations().size(), 1u);
  clock_.Advance(absl::Nanoseconds(1));
  ASSERT_THAT(applier_.Apply(HeartbeatMessage(1, clock_.Now())), IsOk());
  ASSERT_THAT(applier_.Apply(RevocationsMessage({SessionEntry(2, b_)})), IsOk());
  EXPECT_EQ(trust_.revocations().size(), 1u);
  EXPECT_FALSE(IsRevoked(b_));
  EXPECT_EQ(Cursor(), "e1/2");
}

TEST_F(FeedApplierTest, BadKeySetIsRefusedWholeAndTheOldOneStays) {
  const TestSigner good(Algorithm::kEs256, "good");
  Jwk bad = TestSigner(Algorithm::kEs256, "bad").jwk();
  bad.y = bad.x;
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 0, {})), IsOk());
  ASSERT_THAT(applier_.Apply(KeysMessage({good.jwk()})), IsOk());
  const uint64_t version = trust_.keys_version();
  const TestSigner next(Algorithm::kEs256, "next");
  EXPECT_THAT(applier_.Apply(KeysMessage({next.jwk(), bad})), IsOk());
  EXPECT_THAT(applier_.Apply(KeysMessage({})), IsOk());
  EXPECT_EQ(trust_.keys_version(), version);
  EXPECT_NE(trust_.keys()->Find("good"), nullptr);
  EXPECT_EQ(trust_.keys()->Find("next"), nullptr);
}

TEST_F(FeedApplierTest, UnreadableEntryIsRefusedAndTheCursorStaysBeforeIt) {
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 0, {})), IsOk());
  v1::Revocation no_target = SessionEntry(1, a_), no_expiry = SessionEntry(1, a_), no_uuid = SessionEntry(1, a_);
  no_target.clear_target();
  no_expiry.clear_expires_at();
  no_uuid.set_session_id("x");
  v1::Revocation no_time = SessionEntry(1, a_);
  no_time.mutable_principal()->set_subject(a_.ToString());
  for (const v1::Revocation& entry : {no_target, no_expiry, no_uuid, no_time}) {
    EXPECT_THAT(applier_.Apply(RevocationsMessage({entry})), HasCode(StatusCode::kInvalidArgument))
        << entry.ShortDebugString();
    EXPECT_EQ(Cursor(), "e1/0");
  }
  EXPECT_THAT(applier_.Apply(v1::WatchResponse()), HasCode(StatusCode::kInvalidArgument));
}

TEST_F(FeedApplierTest, PrincipalsAndKeysAreRevokedToo) {
  v1::Revocation principal = SessionEntry(1, a_), key = SessionEntry(2, a_);
  principal.mutable_principal()->set_subject(b_.ToString());
  principal.mutable_principal()->mutable_began_until()->set_seconds(1'800'000'000);
  key.set_key_id("bad-key");
  ASSERT_THAT(applier_.Apply(SnapshotMessage("e1", 2, {principal, key})), IsOk());
  const auto revoked = [this](std::string subject, std::string key_id) {
    Claims claims;
    claims.subject = std::move(subject);
    claims.issued_at = absl::FromUnixSeconds(1'800'000'000);
    return trust_.revocations().IsRevoked(VerifiedCredential::AssumeVerified(std::move(claims), std::move(key_id)));
  };
  EXPECT_TRUE(revoked(b_.ToString(), "key"));
  EXPECT_TRUE(revoked("other", "bad-key"));
  EXPECT_FALSE(revoked("other", "key"));
}

}  // namespace
}  // namespace watchword
