#include "server/service/verifiers.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "testing/service_fixture.h"

namespace watchword {
namespace {

using testing::FieldsAre;
using testing::Optional;
using testing::SizeIs;

class VerifiersTest : public ServiceTest {
 protected:
  // The answer to a wait, once there is one.
  using Answer = std::shared_ptr<std::optional<Verifiers::Tally>>;

  Answer WaitFor(uint64_t seq, absl::Duration timeout = absl::Seconds(10)) {
    auto answer = std::make_shared<std::optional<Verifiers::Tally>>();
    all_.WaitFor(seq, clock_.Now() + timeout, [answer](Verifiers::Tally tally) { *answer = tally; });
    return answer;
  }

  static std::string Instance(char c) { return std::string(16, c); }

  // Not on the running feed, whose thread would tick.
  Feed idle_{store_->revocations(), trust_, clock_, SystemRandom(), log_};
  Verifiers all_{idle_, clock_, absl::Minutes(5)};
};

TEST_F(VerifiersTest, WaitIsOverWhenEveryLiveVerifierHasAcknowledged) {
  const auto a = all_.Connect(Instance('a')), b = all_.Connect(Instance('b'));
  const Answer answer = WaitFor(7);
  all_.Acknowledge(*a, 7);
  EXPECT_EQ(*answer, std::nullopt);
  all_.Acknowledge(*b, 6);
  EXPECT_EQ(*answer, std::nullopt);
  all_.Acknowledge(*b, 8);
  EXPECT_THAT(*answer, Optional(FieldsAre(2u, 2u, 0u)));
}

TEST_F(VerifiersTest, LagOfAServiceIsThatOfItsVerifierFurthestBehind) {
  const auto a = all_.Connect(Instance('a'), "orders"), b = all_.Connect(Instance('b'), "orders");
  const auto c = all_.Connect(Instance('c'), "stock"), d = all_.Connect(Instance('d'));
  all_.Acknowledge(*a, 7);
  all_.Acknowledge(*b, 4);
  all_.Acknowledge(*c, 8);  // ahead of what this server has read
  const auto lags = all_.LagByName(7);
  EXPECT_THAT(lags, SizeIs(3));
  EXPECT_EQ(lags.at("orders").entries, 3u);
  EXPECT_EQ(lags.at("stock").entries, 0u);
  EXPECT_EQ(lags.at("other").entries, 7u);
}

TEST_F(VerifiersTest, SilenceOfAServiceIsThatOfItsMostSilentVerifier) {
  const auto a = all_.Connect(Instance('a'), "orders"), b = all_.Connect(Instance('b'), "orders");
  all_.Acknowledge(*a, 7);
  clock_.Advance(absl::Seconds(3));
  all_.Acknowledge(*a, 7);  // a heartbeat: nothing new
  EXPECT_EQ(all_.LagByName(7).at("orders").silent_for, absl::Seconds(3));
  all_.Acknowledge(*b, 7);
  EXPECT_EQ(all_.LagByName(7).at("orders").silent_for, absl::ZeroDuration());
}

TEST_F(VerifiersTest, ServicesBeyondTheBoundAreOneForTheMetrics) {
  std::vector<std::shared_ptr<Verifiers::Connection>> connections;
  for (size_t i = 0; i < 2 * Verifiers::kMaxNames; ++i) {
    connections.push_back(all_.Connect(absl::StrCat("instance-", i), absl::StrCat("service-", i)));
  }
  const auto lags = all_.LagByName(1);
  EXPECT_EQ(lags.size(), Verifiers::kMaxNames + 1);
  EXPECT_EQ(lags.at("other").entries, 1u);
}

TEST_F(VerifiersTest, NobodyToWaitForIsNoWait) { EXPECT_THAT(*WaitFor(7), Optional(FieldsAre(0u, 0u, 0u))); }

TEST_F(VerifiersTest, WhatWasAcknowledgedBeforeNeedsNoWait) {
  const auto a = all_.Connect(Instance('a'));
  all_.Acknowledge(*a, 9);
  all_.Acknowledge(*a, 3);  // never goes back
  EXPECT_THAT(*WaitFor(9), Optional(FieldsAre(1u, 1u, 0u)));
}

TEST_F(VerifiersTest, AtTheDeadlineTheAnswerSaysHowFarItHasCome) {
  const auto a = all_.Connect(Instance('a')), b = all_.Connect(Instance('b'));
  const Answer answer = WaitFor(7, absl::Seconds(2));
  all_.Acknowledge(*a, 7);
  clock_.Advance(absl::Seconds(2) - absl::Nanoseconds(1));
  all_.OnTick();
  EXPECT_EQ(*answer, std::nullopt);
  clock_.Advance(absl::Nanoseconds(1));
  all_.OnTick();
  EXPECT_THAT(*answer, Optional(FieldsAre(1u, 2u, 0u)));
}

TEST_F(VerifiersTest, VerifierThatGoesAwayMeanwhileIsLostAndNotWaitedFor) {
  const auto a = all_.Connect(Instance('a')), b = all_.Connect(Instance('b'));
  const Answer answer = WaitFor(7);
  all_.Acknowledge(*a, 7);
  all_.Disconnect(b);
  all_.Disconnect(b);
  EXPECT_THAT(*answer, Optional(FieldsAre(1u, 1u, 1u)));
}

TEST_F(VerifiersTest, LostVerifierIsForgottenWhenItComesBackOrItsTokensHaveExpired) {
  all_.Disconnect(all_.Connect(Instance('a')));
  all_.Disconnect(all_.Connect(Instance('b')));
  all_.Disconnect(all_.Connect(""));  // does not say who it is: it cannot come back
  EXPECT_EQ(all_.TallyOf(0).lost, 3u);
  const auto back = all_.Connect(Instance('a'));
  EXPECT_EQ(all_.TallyOf(0).lost, 2u);
  clock_.Advance(absl::Minutes(5) - absl::Nanoseconds(1));
  all_.OnTick();
  EXPECT_EQ(all_.TallyOf(0).lost, 2u);
  clock_.Advance(absl::Nanoseconds(1));
  all_.OnTick();
  EXPECT_EQ(all_.TallyOf(0).lost, 0u);
}

TEST_F(VerifiersTest, VerifierThatComesBackBeforeItsOldFeedHasEndedIsOneAndNotLost) {
  const auto hanging = all_.Connect(Instance('a'));
  const auto back = all_.Connect(Instance('a'));
  const Answer answer = WaitFor(7);
  all_.Acknowledge(*hanging, 7);  // what it acknowledged before is not what it has now
  EXPECT_EQ(*answer, std::nullopt);
  all_.Acknowledge(*back, 7);
  EXPECT_THAT(*answer, Optional(FieldsAre(1u, 1u, 0u)));
  all_.Disconnect(hanging);
  EXPECT_THAT(all_.TallyOf(7), FieldsAre(1u, 1u, 0u));
}

TEST_F(VerifiersTest, VerifierThatComesDuringAWaitIsWaitedFor) {
  const auto a = all_.Connect(Instance('a'));
  const Answer answer = WaitFor(7);
  const auto b = all_.Connect(Instance('b'));
  all_.Acknowledge(*a, 7);
  EXPECT_EQ(*answer, std::nullopt);
  all_.Acknowledge(*b, 7);
  EXPECT_THAT(*answer, Optional(FieldsAre(2u, 2u, 0u)));
}

TEST_F(VerifiersTest, MoreThanTheLimitAreToldAtOnceHowFarItHasCome) {
  const auto a = all_.Connect(Instance('a'));
  std::vector<Answer> answers;
  for (size_t i = 0; i < Verifiers::kMaxWaiting; ++i) answers.push_back(WaitFor(7));
  EXPECT_THAT(*WaitFor(7), Optional(FieldsAre(0u, 1u, 0u)));
  EXPECT_EQ(*answers.back(), std::nullopt);
  all_.Acknowledge(*a, 7);
  EXPECT_THAT(*answers.back(), Optional(FieldsAre(1u, 1u, 0u)));
}

TEST_F(VerifiersTest, StoppingServerKeepsNobodyWaiting) {
  const auto a = all_.Connect(Instance('a'));
  const Answer before = WaitFor(7);
  all_.OnEnd();
  EXPECT_THAT(*before, Optional(FieldsAre(0u, 1u, 0u)));
  EXPECT_THAT(*WaitFor(7), Optional(FieldsAre(0u, 1u, 0u)));
}

TEST_F(VerifiersTest, LogoutWaitsForTheRevocationThatItHasMade) {
  const auto verifier = verifiers_->Connect(Instance('a'));
  auto future = std::async(std::launch::async, [this] {
    return Await<LogoutCommand::Ended>([this](Done<LogoutCommand::Ended> done) {
      logout_->Run({.bearer = Login()->credential, .wait_for_verifiers = true, .deadline = kNoDeadline},
                   std::move(done));
    });
  });
  while (feed_->position().head_seq == 0) std::this_thread::yield();
  EXPECT_EQ(future.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  verifiers_->Acknowledge(*verifier, 1);
  const auto ended = future.get();
  ASSERT_THAT(ended, IsOk());
  EXPECT_THAT(static_cast<const Verifiers::Tally&>(*ended), FieldsAre(1u, 1u, 0u));
}

// With verifiers that watch other servers of the same store.
class SharedVerifiersTest : public VerifiersTest {
 protected:
  static Verifiers::State Live(char instance, uint64_t seq) {
    return {.instance = Instance(instance), .live = true, .acknowledged_seq = seq};
  }
  static Verifiers::State Lost(char instance, absl::Duration lost_for) {
    return {.instance = Instance(instance), .lost_for = lost_for};
  }
  Answer WaitFor(uint64_t seq) {
    auto answer = std::make_shared<std::optional<Verifiers::Tally>>();
    shared_.WaitFor(seq, clock_.Now() + absl::Seconds(10), [answer](Verifiers::Tally tally) { *answer = tally; });
    return answer;
  }

  Verifiers shared_{idle_, clock_, absl::Minutes(5), /*shared=*/true};
};

TEST_F(SharedVerifiersTest, NobodyIsAnsweredBeforeTheOthersWereAsked) {
  const uint64_t round_before = shared_.BeginRound();
  const Answer answer = WaitFor(7);
  EXPECT_TRUE(shared_.WantsOthers());
  shared_.SetOthers(round_before,
                    {});  // asked for before the wait began: may not know of a verifier that has come since
  EXPECT_EQ(*answer, std::nullopt);
  shared_.SetOthers(shared_.BeginRound(), {});
  EXPECT_THAT(*answer, Optional(FieldsAre(0u, 0u, 0u)));
  EXPECT_FALSE(shared_.WantsOthers());
}

TEST_F(SharedVerifiersTest, WaitIsOverWhenThoseOfOtherServersHaveAcknowledgedToo) {
  const auto a = shared_.Connect(Instance('a'));
  shared_.Acknowledge(*a, 7);
  const Answer answer = WaitFor(7);
  shared_.SetOthers(shared_.BeginRound(), {Live('b', 7), Live('c', 6)});
  EXPECT_EQ(*answer, std::nullopt);
  shared_.SetOthers(shared_.BeginRound(), {Live('b', 7), Live('c', 7), Lost('d', absl::Minutes(1))});
  EXPECT_THAT(*answer, Optional(FieldsAre(3u, 3u, 1u)));
}

TEST_F(SharedVerifiersTest, VerifierThatMovedToAnotherServerIsCountedOnce) {
  const auto stale = shared_.Connect(Instance('a'));  // half-open: it is with another server now
  shared_.Acknowledge(*stale, 3);
  const Answer answer = WaitFor(7);
  shared_.SetOthers(shared_.BeginRound(), {Live('a', 7)});
  EXPECT_THAT(*answer, Optional(FieldsAre(1u, 1u, 0u)));
  shared_.Disconnect(stale);
  EXPECT_THAT(shared_.TallyOf(7), FieldsAre(1u, 1u, 0u)) << "live elsewhere, so not lost";
}

TEST_F(SharedVerifiersTest, LostOnesOfOthersAreForgottenInTime) {
  shared_.SetOthers(shared_.BeginRound(),
                    {Lost('a', absl::Minutes(5) - absl::Nanoseconds(1)), Lost('b', absl::Minutes(5))});
  EXPECT_THAT(shared_.TallyOf(0), FieldsAre(0u, 0u, 1u));
}

TEST_F(SharedVerifiersTest, OwnStatesSayWhatOthersNeed) {
  const uint64_t version = shared_.own_version();
  const auto a = shared_.Connect(Instance('a')), b = shared_.Connect(Instance('b'));
  shared_.Acknowledge(*a, 5);
  shared_.Disconnect(b);
  EXPECT_GT(shared_.own_version(), version);
  clock_.Advance(absl::Seconds(3));
  shared_.SetOthers(shared_.BeginRound(), {Live('c', 1)});
  EXPECT_THAT(shared_.OwnStates(),
              testing::UnorderedElementsAre(FieldsAre(Instance('a'), true, 5u, absl::ZeroDuration()),
                                            FieldsAre(Instance('b'), false, 0u, absl::Seconds(3))));
  EXPECT_THAT(shared_.OwnTally(), FieldsAre(0u, 1u, 1u));
}

TEST_F(VerifiersTest, LogoutOfWhatIsEndedAlreadyWaitsToo) {
  const auto issued = Login();
  ASSERT_THAT(Logout({.bearer = issued->credential}), IsOk());
  feed_->Stop();  // and so does not read the next entry, which another server writes
  Feed behind(store_->revocations(), trust_, clock_, SystemRandom(), log_);
  Verifiers verifiers(behind, clock_, absl::Minutes(5));
  ASSERT_THAT(store_->sessions().RevokeAll(store_->users().FindByName(kAlice)->id, clock_.Now(), clock_.Now()), IsOk());
  Environment environment = {.settings = settings_,
                             .store = *store_,
                             .store_executor = store_executor_,
                             .hash_executor = hash_executor_,
                             .hasher = hasher_,
                             .keys = *keys_,
                             .throttle = *throttle_,
                             .trust = trust_,
                             .feed = behind,
                             .verifiers = verifiers,
                             .clock = clock_,
                             .random = SystemRandom(),
                             .log = log_};
  const auto verifier = verifiers.Connect(Instance('a'));
  verifiers.Acknowledge(*verifier, 1);
  LogoutCommand logout(environment);
  const auto ended = Await<LogoutCommand::Ended>([&](Done<LogoutCommand::Ended> done) {
    logout.Run({.bearer = issued->credential,
                .wait_for_verifiers = true,
                .deadline = clock_.Now() + LogoutCommand::kReplyMargin},
               std::move(done));
  });
  ASSERT_THAT(ended, IsOk());
  EXPECT_THAT(static_cast<const Verifiers::Tally&>(*ended), FieldsAre(0u, 1u, 0u));
}

TEST_F(VerifiersTest, AKeyIsHeldByEverybodyWhenThisServerHasItAndEachLiveVerifierToo) {
  EXPECT_FALSE(all_.EverybodyHolds("k1")) << "not even by this server";
  all_.SetKeys({"k1", "k2"});
  EXPECT_TRUE(all_.EverybodyHolds("k1"));
  const auto a = all_.Connect(Instance('a')), b = all_.Connect(Instance('b'));
  EXPECT_FALSE(all_.EverybodyHolds("k1")) << "nobody has said so yet";
  all_.AcknowledgeKeys(*a, {"k1", "k2"});
  all_.AcknowledgeKeys(*b, {"k2"});
  EXPECT_FALSE(all_.EverybodyHolds("k1"));
  EXPECT_TRUE(all_.EverybodyHolds("k2"));
  EXPECT_THAT(all_.OwnHeldKeys(), testing::ElementsAre("k2"));
  const uint64_t version = all_.own_version();
  all_.AcknowledgeKeys(*b, {"k1"});
  EXPECT_GT(all_.own_version(), version) << "so that other servers are told";
  EXPECT_TRUE(all_.EverybodyHolds("k1"));
  EXPECT_FALSE(all_.EverybodyHolds("k2")) << "what it holds now counts";
  all_.Disconnect(b);
  EXPECT_TRUE(all_.EverybodyHolds("k2"));
}

}  // namespace
}  // namespace watchword
