#include "server/service/verifier_exchange.h"

#include <map>

#include "gmock/gmock.h"
#include "testing/service_fixture.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::FieldsAre;
using testing::IsEmpty;

Uuid Id(char c) { return *Uuid::FromBytes(std::string(16, c)); }

TEST(VerifierReport, SaysWhatWasPutIntoIt) {
  const std::string report = FormatVerifierReport({.states = {{.instance = "ab", .live = true, .acknowledged_seq = 42},
                                                              {.instance = "c", .lost_for = absl::Seconds(7)}},
                                                   .held_keys = {"k1", "k2"}});
  EXPECT_EQ(report, "key k1\nkey k2\nlive 6162 42\nlost 63 7\n");
  EXPECT_THAT(ParseVerifierReport(report).held_keys, ElementsAre("k1", "k2"));
  EXPECT_THAT(ParseVerifierReport(report).states, ElementsAre(FieldsAre("ab", true, 42u, absl::ZeroDuration()),
                                                              FieldsAre("c", false, 0u, absl::Seconds(7))));
}

TEST(VerifierReport, LinesOfALaterReleaseAreLeftOut) {
  EXPECT_THAT(ParseVerifierReport("later 61 1\nlive 61\nlive 61 x\n\nlive 62 2\n").states,
              ElementsAre(FieldsAre("b", true, 2u, absl::ZeroDuration())));
  EXPECT_THAT(ParseVerifierReport("").states, IsEmpty());
}

TEST(VerifierReport, FitsIntoTheStoreHoweverManyThereAre) {
  const std::vector<Verifiers::State> many(100'000, {.instance = std::string(16, 'x'), .live = true});
  EXPECT_LE(FormatVerifierReport({.states = many}).size(), 1u << 20);
}

// Reports in memory.
class FakeReplicas final : public Replicas {
 public:
  absl::Status Report(const Uuid& replica, absl::string_view report) override {
    MutexLock lock(mutex_);
    if (!status_.ok()) return status_;
    reports_[replica] = {.replica = replica, .report = std::string(report), .age = absl::ZeroDuration()};
    changed_.NotifyAll();
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<Peer>> Peers(const Uuid& replica, absl::Duration) override {
    MutexLock lock(mutex_);
    if (!status_.ok()) return status_;
    std::vector<Peer> peers;
    for (const auto& [id, peer] : reports_) {
      if (id != replica) peers.push_back(peer);
    }
    return peers;
  }
  absl::StatusOr<bool> AcquireLease(absl::string_view, const Uuid&, absl::Duration) override { return true; }

  void Set(Peer peer) {
    MutexLock lock(mutex_);
    reports_[peer.replica] = std::move(peer);
  }
  void Fail(absl::Status status) {
    MutexLock lock(mutex_);
    status_ = std::move(status);
  }
  // Returns when the replica's report is this.
  void WaitForReport(const Uuid& replica, const std::string& report) {
    MutexLock lock(mutex_);
    while (reports_[replica].report != report) changed_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  absl::Status status_;
  std::map<Uuid, Peer> reports_;
};

class VerifierExchangeTest : public ServiceTest {
 protected:
  Verifiers::Tally Wait(uint64_t seq, absl::Duration patience = absl::Hours(1)) {
    std::promise<Verifiers::Tally> answer;
    all_.WaitFor(seq, clock_.Now() + patience, [&](Verifiers::Tally tally) { answer.set_value(tally); });
    return answer.get_future().get();
  }

  FakeReplicas replicas_;
  Verifiers all_{*feed_, clock_, absl::Minutes(5), /*shared=*/true};
  VerifierExchange exchange_{replicas_, Id('m'), all_, clock_, absl::Minutes(5), log_};
};

TEST_F(VerifierExchangeTest, OthersAreToldWhatChangesHere) {
  const auto verifier = all_.Connect("a");
  replicas_.WaitForReport(Id('m'), "live 61 0\n");
  all_.Acknowledge(*verifier, 7);
  replicas_.WaitForReport(Id('m'), "live 61 7\n");
  all_.Disconnect(verifier);
  replicas_.WaitForReport(Id('m'), "lost 61 0\n");
}

TEST_F(VerifierExchangeTest, WaitEndsWithWhatOthersTell) {
  replicas_.Set({.replica = Id('o'), .report = "live 62 9\nlost 63 10\n", .age = absl::Seconds(1)});
  EXPECT_THAT(Wait(9), FieldsAre(1u, 1u, 1u));
}

TEST_F(VerifierExchangeTest, VerifiersOfAServerThatIsGoneAreLost) {
  replicas_.Set({.replica = Id('o'), .report = "live 62 9\n", .age = absl::Seconds(5)});
  EXPECT_THAT(Wait(9), FieldsAre(1u, 1u, 0u));
  replicas_.Set({.replica = Id('o'), .report = "live 62 9\n", .age = absl::Seconds(5) + absl::Nanoseconds(1)});
  EXPECT_THAT(Wait(9), FieldsAre(0u, 0u, 1u));
}

TEST_F(VerifierExchangeTest, AKeyIsHeldByEverybodyOnceEachServerThatIsThereSaysSo) {
  all_.SetKeys({"k1"});
  replicas_.WaitForReport(Id('m'), "key k1\n");
  replicas_.Set({.replica = Id('o'), .report = "live 62 9\n", .age = absl::Seconds(1)});
  Wait(9);  // until they have been asked
  EXPECT_FALSE(all_.EverybodyHolds("k1"));
  replicas_.Set({.replica = Id('o'), .report = "key k1\nlive 62 9\n", .age = absl::Seconds(1)});
  replicas_.Set({.replica = Id('g'), .report = "live 63 9\n", .age = absl::Seconds(6)});  // is gone
  Wait(9);
  EXPECT_TRUE(all_.EverybodyHolds("k1"));
  replicas_.Fail(absl::UnavailableError("down"));
  clock_.Advance(absl::Seconds(5) + absl::Nanoseconds(1));
  EXPECT_FALSE(all_.EverybodyHolds("k1")) << "who knows what has come since";
}

TEST_F(VerifierExchangeTest, WhileOthersCannotBeAskedNobodyIsToldThatAllIsDone) {
  replicas_.Fail(absl::UnavailableError("down"));
  const std::string before = log_.text();
  clock_.Advance(absl::Minutes(1));  // so that the last answer is old
  std::promise<Verifiers::Tally> answer;
  auto future = answer.get_future();
  all_.WaitFor(1, clock_.Now() + absl::Seconds(5), [&](Verifiers::Tally tally) { answer.set_value(tally); });
  while (log_.text().find("cannot exchange acknowledgements") == std::string::npos) std::this_thread::yield();
  EXPECT_EQ(future.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  clock_.Advance(absl::Seconds(5));  // its deadline
  EXPECT_EQ(future.get().live, 0u);
}

}  // namespace
}  // namespace watchword
