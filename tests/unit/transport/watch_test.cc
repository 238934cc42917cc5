#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "server/transport/trust_handlers.h"
#include "testing/hooked_store.h"
#include "testing/service_fixture.h"

namespace watchword {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

using Stream = grpc::ClientReaderWriter<v1::WatchRequest, v1::WatchResponse>;

// The trust feed as a verifier sees it, over a real connection.
class WatchTest : public ServiceTest {
 protected:
  WatchTest()
      : watched_(EnvironmentWith(hasher_, hash_executor_, &hooked_store_)),
        handlers_(watched_, {.clock = clock_,
                             .log = log_,
                             .observe = [](auto, const auto&, auto) {},
                             .audit = audit_,
                             .caller = nullptr}) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&handlers_);
    server_ = builder.BuildAndStart();
    stub_ = v1::TrustService::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  }

  ~WatchTest() override {
    feed_->Stop();
    server_->Shutdown();
  }

  // One visit of a verifier.
  struct Visit {
    grpc::ClientContext context;
    std::unique_ptr<Stream> stream;

    // The next message that is no heartbeat.
    v1::WatchResponse Next() {
      v1::WatchResponse response;
      do {
        response.Clear();
        EXPECT_TRUE(stream->Read(&response));
      } while (response.has_heartbeat());
      return response;
    }
    grpc::Status End() {
      context.TryCancel();
      return stream->Finish();
    }
  };

  std::unique_ptr<Visit> Watch(const std::string& epoch = "", uint64_t last_seq = 0) {
    auto visit = std::make_unique<Visit>();
    visit->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    visit->stream = stub_->Watch(&visit->context);
    v1::WatchRequest request;
    request.mutable_hello()->set_verifier("test");
    request.mutable_hello()->set_epoch(epoch);
    request.mutable_hello()->set_last_seq(last_seq);
    visit->stream->Write(request);  // fails if the server has ended the feed already, which Finish will tell
    return visit;
  }

  // Begins a session and ends it; its id.
  std::string RevokeOne() {
    const auto issued = Login();
    const auto outcome =
        store_->sessions().Revoke(*Uuid::Parse(issued->session_id), clock_.Now(), clock_.Now() + absl::Hours(1));
    feed_->Announce(outcome->revocation);
    return issued->session_id;
  }

  HookedStore hooked_store_{*store_};
  const Environment watched_;
  TrustHandlers handlers_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::TrustService::Stub> stub_;
};

TEST_F(WatchTest, SendsKeysThenASnapshotThenEachChange) {
  const std::string before = RevokeOne();
  const auto visit = Watch();
  const v1::WatchResponse keys = visit->Next();
  ASSERT_THAT(keys.keys().keys(), SizeIs(1));
  EXPECT_EQ(keys.keys().keys(0).kid(), keys_->active_record().key_id);

  const v1::WatchResponse snapshot = visit->Next();
  ASSERT_THAT(snapshot.snapshot().revocations(), SizeIs(1));
  EXPECT_EQ(snapshot.snapshot().revocations(0).session_id(), before);
  EXPECT_EQ(snapshot.snapshot().seq(), 1);
  EXPECT_THAT(snapshot.snapshot().epoch(), SizeIs(16));
  EXPECT_TRUE(snapshot.snapshot().last());

  const std::string after = RevokeOne();
  const v1::WatchResponse change = visit->Next();
  ASSERT_THAT(change.revocations().revocations(), SizeIs(1));
  EXPECT_EQ(change.revocations().revocations(0).session_id(), after);
  EXPECT_EQ(change.revocations().revocations(0).seq(), 2);
  visit->End();
}

TEST_F(WatchTest, AVerifierThatComesBackGetsWhatItMissedAndNothingElse) {
  RevokeOne();
  const auto first = Watch();
  first->Next();
  const std::string epoch = first->Next().snapshot().epoch();
  first->End();
  const std::string missed = RevokeOne();
  const auto second = Watch(epoch, 1);
  second->Next();
  const v1::WatchResponse change = second->Next();
  ASSERT_THAT(change.revocations().revocations(), SizeIs(1));
  EXPECT_EQ(change.revocations().revocations(0).session_id(), missed);
  second->End();
}

TEST_F(WatchTest, ACursorOlderThanWhatIsKeptOrOfAnotherEpochGetsASnapshot) {
  RevokeOne();
  RevokeOne();
  const std::string epoch = feed_->position().epoch;
  ASSERT_EQ(*store_->revocations().DeleteExpired(clock_.Now() + absl::Hours(2), 1), 1);
  const auto old = Watch(epoch, 0);
  old->Next();
  EXPECT_THAT(old->Next().snapshot().revocations(), SizeIs(1));
  old->End();
  const auto restored = Watch(std::string(16, 'x'), 2);
  restored->Next();
  EXPECT_EQ(restored->Next().snapshot().epoch(), epoch);
  restored->End();
}

TEST_F(WatchTest, ACursorAheadOfTheLogGetsASnapshotAndNotSilence) {
  RevokeOne();
  const auto visit = Watch(feed_->position().epoch, 2);
  visit->Next();
  const v1::WatchResponse snapshot = visit->Next();
  EXPECT_THAT(snapshot.snapshot().revocations(), SizeIs(1));
  EXPECT_EQ(snapshot.snapshot().seq(), 1);
  visit->End();
}

TEST_F(WatchTest, AVerifierThatDoesNotReadHoldsUpNobodyAndMissesNothing) {
  constexpr uint64_t kEntries = 5000;  // more than is kept in memory or fits between the two
  const auto principal = store_->users().FindByName(kAlice);
  const auto slow = Watch(), quick = Watch();
  for (Visit* visit : {slow.get(), quick.get()}) {
    visit->Next();
    ASSERT_TRUE(visit->Next().has_snapshot());
  }
  for (uint64_t i = 0; i < kEntries; ++i) {
    ASSERT_THAT(store_->sessions().RevokeAll(principal->id, clock_.Now(), clock_.Now() + absl::Hours(1)), IsOk());
  }
  for (Visit* visit : {quick.get(), slow.get()}) {
    uint64_t seq = 0;
    while (seq < kEntries) {
      const v1::WatchResponse change = visit->Next();
      ASSERT_TRUE(change.has_revocations());
      for (const auto& entry : change.revocations().revocations()) ASSERT_EQ(entry.seq(), ++seq);
    }
    visit->End();
  }
}

TEST_F(WatchTest, ExpiredRevocationsAreLeftOutOfTheSnapshot) {
  RevokeOne();
  clock_.Advance(absl::Hours(1));
  const auto visit = Watch();
  visit->Next();
  const v1::WatchResponse snapshot = visit->Next();
  EXPECT_THAT(snapshot.snapshot().revocations(), IsEmpty());
  EXPECT_EQ(snapshot.snapshot().seq(), 1);
  visit->End();
}

TEST_F(WatchTest, ALongSnapshotComesInPartsOfWhichOnlyTheLastSaysSo) {
  const auto principal = store_->users().FindByName(kAlice);
  for (int i = 0; i < 1500; ++i) {
    ASSERT_THAT(store_->sessions().RevokeAll(principal->id, clock_.Now(), clock_.Now() + absl::Hours(1)), IsOk());
  }
  const auto visit = Watch();
  visit->Next();
  const v1::WatchResponse first = visit->Next();
  EXPECT_THAT(first.snapshot().revocations(), SizeIs(1000));
  EXPECT_FALSE(first.snapshot().last());
  const v1::WatchResponse second = visit->Next();
  EXPECT_THAT(second.snapshot().revocations(), SizeIs(500));
  EXPECT_TRUE(second.snapshot().last());
  visit->End();
}

TEST_F(WatchTest, WhatIsRevokedBetweenTheSnapshotsHeadItsEntriesAndTheTailFollowsTheSnapshot) {
  RevokeOne();
  uint64_t head = 1;
  for (std::function<void()> HookedStore::*moment : {&HookedStore::after_get_head, &HookedStore::after_read_after}) {
    std::string meanwhile;
    hooked_store_.*moment = [&] {
      if (meanwhile.empty()) meanwhile = RevokeOne();
    };
    const auto visit = Watch();
    visit->Next();
    const v1::WatchResponse snapshot = visit->Next();
    EXPECT_THAT(snapshot.snapshot().revocations(), SizeIs(head));
    EXPECT_EQ(snapshot.snapshot().seq(), head);
    EXPECT_TRUE(snapshot.snapshot().last());
    const v1::WatchResponse change = visit->Next();
    ASSERT_THAT(change.revocations().revocations(), SizeIs(1));
    EXPECT_EQ(change.revocations().revocations(0).session_id(), meanwhile);
    EXPECT_EQ(change.revocations().revocations(0).seq(), ++head);
    visit->End();
    hooked_store_.*moment = nullptr;
  }
}

TEST_F(WatchTest, SilenceIsToldFromQuietByAHeartbeatWithTheHead) {
  RevokeOne();
  const auto visit = Watch();
  visit->Next();
  visit->Next();
  v1::WatchResponse response;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(visit->stream->Read(&response));
    ASSERT_TRUE(response.has_heartbeat()) << response.DebugString();
    EXPECT_EQ(response.heartbeat().head_seq(), 1);
    clock_.Advance(absl::Seconds(1));  // by which the feed measures
  }
  visit->End();
}

// Otherwise it would count as stale for up to a second after it has begun.
TEST_F(WatchTest, HeartbeatComesAtOnceWhenAVerifierHasGotAllThatThereWas) {
  RevokeOne();
  const auto visit = Watch();
  visit->Next();
  const std::string epoch = visit->Next().snapshot().epoch();
  v1::WatchResponse response;
  ASSERT_TRUE(visit->stream->Read(&response));
  EXPECT_EQ(response.heartbeat().head_seq(), 1) << response.DebugString();
  visit->End();

  // In the log, but not known to this server's feed yet: another server has written it.
  const auto issued = Login();
  ASSERT_TRUE(
      store_->sessions().Revoke(*Uuid::Parse(issued->session_id), clock_.Now(), clock_.Now() + absl::Hours(1)).ok());
  const auto again = Watch(epoch, 1);
  again->Next();
  ASSERT_TRUE(again->stream->Read(&response));
  EXPECT_THAT(response.revocations().revocations(), SizeIs(1)) << response.DebugString();
  ASSERT_TRUE(again->stream->Read(&response));
  EXPECT_EQ(response.heartbeat().head_seq(), 2) << response.DebugString();
  again->End();
}

v1::WatchRequest AcknowledgementOf(uint64_t seq) {
  v1::WatchRequest request;
  request.mutable_acknowledgement()->set_seq(seq);
  return request;
}

TEST_F(WatchTest, AnAcknowledgementCountsAndAVerifierThatLeavesIsLost) {
  RevokeOne();
  const auto visit = Watch();
  visit->Next();
  visit->Next();
  EXPECT_EQ(verifiers_->TallyOf(1).acknowledged, 0u);
  EXPECT_EQ(verifiers_->TallyOf(1).live, 1u);
  visit->stream->Write(AcknowledgementOf(1));
  while (verifiers_->TallyOf(1).acknowledged == 0) std::this_thread::yield();
  visit->End();
  while (verifiers_->TallyOf(1).live != 0) std::this_thread::yield();
  EXPECT_EQ(verifiers_->TallyOf(1).lost, 1u);
}

TEST_F(WatchTest, WhatWasNotSentCannotBeAcknowledged) {
  RevokeOne();
  const auto visit = Watch();
  visit->Next();
  visit->Next();
  visit->stream->Write(AcknowledgementOf(2));
  v1::WatchResponse response;
  while (visit->stream->Read(&response)) continue;
  EXPECT_EQ(visit->stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(verifiers_->TallyOf(2).acknowledged, 0u);
}

TEST_F(WatchTest, AnythingBeforeTheHelloAndASecondHelloAreRefused) {
  grpc::ClientContext context;
  const auto stream = stub_->Watch(&context);
  stream->Write(AcknowledgementOf(0));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const auto visit = Watch();
  v1::WatchRequest again;
  again.mutable_hello()->set_verifier("test");
  visit->stream->Write(again);
  v1::WatchResponse response;
  while (visit->stream->Read(&response)) continue;
  EXPECT_EQ(visit->stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(WatchTest, UsesOfSessionTokensPutOffTheIdleTimeout) {
  const auto issued = LoginForSessionToken();
  const Uuid id = Uuid::Parse(issued->session_id).value();
  const absl::Time began = clock_.Now();
  const auto visit = Watch();
  visit->Next();
  clock_.Advance(absl::Hours(11));
  v1::WatchRequest request;
  const auto use = [&request](const std::string& session, absl::Time at) {
    v1::SessionUse& each = *request.mutable_activity()->add_uses();
    each.set_session_id(session);
    each.mutable_last_used_at()->set_seconds(absl::ToUnixSeconds(at));
  };
  use("nonsense", clock_.Now());
  use("01890a5d-ac96-774b-bcce-b302099a8057", clock_.Now());  // nobody's
  use(issued->session_id, clock_.Now() + absl::Hours(1000));  // counts as now
  visit->stream->Write(request);
  while (store_->sessions().Find(id)->session.last_used_at == began) std::this_thread::yield();
  EXPECT_EQ(store_->sessions().Find(id)->session.last_used_at, clock_.Now());
  clock_.Advance(absl::Hours(11));
  EXPECT_EQ(Verdict(issued->credential), "ACTIVE");  // the server itself had last seen it 22 hours ago
  visit->End();
}

TEST_F(WatchTest, TooManyUsesInOneMessageAreRefused) {
  const auto visit = Watch();
  visit->Next();
  v1::WatchRequest request;
  for (int i = 0; i <= 1000; ++i) request.mutable_activity()->add_uses();
  visit->stream->Write(request);
  v1::WatchResponse response;
  while (visit->stream->Read(&response)) continue;
  EXPECT_EQ(visit->stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(WatchTest, ABadHelloIsRefused) {
  for (const auto& [verifier, epoch] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"two words", ""}, {std::string(256, 'x'), ""}, {"fine", "short"}}) {
    grpc::ClientContext context;
    const auto stream = stub_->Watch(&context);
    v1::WatchRequest request;
    request.mutable_hello()->set_verifier(verifier);
    request.mutable_hello()->set_epoch(epoch);
    stream->Write(request);
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT) << verifier;
  }
  grpc::ClientContext context;
  const auto silent = stub_->Watch(&context);
  silent->WritesDone();
  EXPECT_EQ(silent->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(WatchTest, AStoppingServerEndsItsFeedsWithUnavailable) {
  const auto visit = Watch();
  visit->Next();
  visit->Next();
  feed_->Stop();
  v1::WatchResponse response;
  while (visit->stream->Read(&response)) {
  }
  EXPECT_EQ(visit->stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Watch()->stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(WatchTest, ManyVerifiersComeAndGoWhileRevocationsAreMade) {
  std::vector<std::unique_ptr<Visit>> visits;
  for (int i = 0; i < 50; ++i) visits.push_back(Watch());
  const std::string revoked = RevokeOne();
  for (size_t i = 0; i < visits.size(); i += 2) visits[i]->End();
  for (size_t i = 1; i < visits.size(); i += 2) {
    bool seen = false;
    while (!seen) {
      const v1::WatchResponse response = visits[i]->Next();
      const auto& entries =
          response.has_snapshot() ? response.snapshot().revocations() : response.revocations().revocations();
      for (const auto& entry : entries) seen = seen || entry.session_id() == revoked;
    }
    visits[i]->End();
  }
}

TEST_F(WatchTest, AKeySetIsSentAgainWhenItChangesAndWhoHoldsItIsNoted) {
  const auto visit = Watch();
  EXPECT_THAT(visit->Next().keys().keys(), SizeIs(1));
  EXPECT_TRUE(visit->Next().has_snapshot());
  const auto published = rotation_->Rotate(false, {.type = kAuditSigningKeyChanged});
  ASSERT_THAT(published, IsOk());
  const v1::WatchResponse keys = visit->Next();
  ASSERT_THAT(keys.keys().keys(), SizeIs(2));
  EXPECT_FALSE(verifiers_->EverybodyHolds(published->key_id));
  v1::WatchRequest request;
  request.mutable_acknowledgement()->set_seq(0);
  for (const v1::Jwk& key : keys.keys().keys()) request.mutable_acknowledgement()->add_key_ids(key.kid());
  ASSERT_TRUE(visit->stream->Write(request));
  while (!verifiers_->EverybodyHolds(published->key_id)) std::this_thread::yield();
  visit->End();
}

TEST_F(WatchTest, IdsThatNoKeyCanHaveEndTheFeed) {
  const auto visit = Watch();
  EXPECT_TRUE(visit->Next().has_keys());
  EXPECT_TRUE(visit->Next().has_snapshot());
  v1::WatchRequest request;
  request.mutable_acknowledgement()->add_key_ids(std::string(65, 'x'));
  visit->stream->Write(request);
  v1::WatchResponse response;
  while (visit->stream->Read(&response)) {
  }
  EXPECT_EQ(visit->stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace watchword
