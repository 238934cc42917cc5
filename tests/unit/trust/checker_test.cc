#include "watchword/trust/checker.h"

#include <malloc.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "testing/status_matchers.h"
#include "testing/test_signer.h"
#include "watchword/base/base64url.h"
#include "watchword/base/testing/fake_clock.h"
#include "watchword/token/reasons.h"

namespace watchword {
namespace {

using absl::StatusCode;
using testing::AllOf;

class CheckerTest : public testing::Test {
 protected:
  static TokenVerifier Verifier() {
    return TokenVerifier::Create({.issuer = std::string(kTestIssuer), .audiences = {std::string(kTestAudience)}})
        .value();
  }
  std::string Good() { return MintToken(signer_, GoodClaims(clock_.Now())); }

  FakeClock clock_;
  const TestSigner signer_{Algorithm::kEs256};
  TrustState trust_{clock_};
  CredentialChecker checker_{Verifier(), trust_, clock_};
};

TEST_F(CheckerTest, WithoutKeysNothingIsAcceptedAndNobodyIsBlamed) {
  EXPECT_THAT(checker_.Check(Good()), AllOf(HasCode(StatusCode::kUnavailable), HasReason(kTrustUnavailable)));
}

TEST_F(CheckerTest, GoodCredentialIsAcceptedAndTheSecondTimeFromTheCache) {
  trust_.SetKeys(signer_.keys());
  const std::string token = Good();
  const auto first = checker_.Check(token);
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ((*first)->claims().issuer, kTestIssuer);
  const auto second = checker_.Check(token);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->get(), second->get());
}

TEST_F(CheckerTest, CachedCredentialExpiresToTheTick) {
  trust_.SetKeys(signer_.keys());
  Claims claims = GoodClaims(clock_.Now());
  const std::string token = MintToken(signer_, claims);
  ASSERT_THAT(checker_.Check(token), IsOk());
  const absl::Time end = claims.expires_at + absl::Seconds(30);
  clock_.SetNow(end - absl::Microseconds(1));
  EXPECT_THAT(checker_.Check(token), IsOk());
  clock_.SetNow(end);
  EXPECT_THAT(checker_.Check(token), AllOf(HasCode(StatusCode::kUnauthenticated), HasReason(kTokenExpired)));
}

TEST_F(CheckerTest, RevocationCountsAfterACacheHit) {
  trust_.SetKeys(signer_.keys());
  const Claims claims = GoodClaims(clock_.Now());
  const std::string token = MintToken(signer_, claims);
  ASSERT_THAT(checker_.Check(token), IsOk());
  trust_.revocations().Add(
      {.target = Revocation::Session{Uuid::Parse(claims.session_id).value()}, .expires_at = claims.expires_at},
      clock_.Now());
  EXPECT_THAT(checker_.Check(token), AllOf(HasCode(StatusCode::kUnauthenticated), HasReason(kTokenRevoked)));
}

TEST_F(CheckerTest, RemovedKeyIsRefusedEvenIfItsCredentialWasCached) {
  trust_.SetKeys(signer_.keys());
  const std::string token = Good();
  ASSERT_THAT(checker_.Check(token), IsOk());
  trust_.SetKeys(TestSigner(Algorithm::kEs256, "other-key").keys());
  EXPECT_THAT(checker_.Check(token), AllOf(HasCode(StatusCode::kUnauthenticated), HasReason(kTokenInvalid)));
}

TEST_F(CheckerTest, CredentialStaysGoodWhenAnotherKeyIsAdded) {
  trust_.SetKeys(signer_.keys());
  const std::string token = Good();
  ASSERT_THAT(checker_.Check(token), IsOk());
  const TestSigner next(Algorithm::kEs256, "next-key");
  trust_.SetKeys(KeySet::FromJwks({signer_.jwk(), next.jwk()}).value());
  EXPECT_THAT(checker_.Check(token), IsOk());
}

TEST_F(CheckerTest, FailureIsNotRemembered) {
  trust_.SetKeys(TestSigner(Algorithm::kEs256, "other-key").keys());
  const std::string token = Good();
  EXPECT_THAT(checker_.Check(token), HasReason(kTokenInvalid));
  trust_.SetKeys(signer_.keys());
  EXPECT_THAT(checker_.Check(token), IsOk());
}

TEST_F(CheckerTest, CallsDuringAKeySwapSeeTheOldKeysOrTheNew) {
  const TestSigner next(Algorithm::kEs256, "next-key");
  const KeySet old_keys = signer_.keys(), both = KeySet::FromJwks({signer_.jwk(), next.jwk()}).value();
  trust_.SetKeys(old_keys);
  const std::string token = Good();
  std::atomic<bool> done{false};
  std::thread swapper([&] {
    for (int i = 0; !done; ++i) trust_.SetKeys(i % 2 == 0 ? both : old_keys);
  });
  constexpr int kThreads = 4, kChecks = 10'000, kSwaps = 1'000;
  std::atomic<int> refused{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < kThreads; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < kChecks / kThreads || trust_.keys_version() < kSwaps; ++i) {
        const auto verified = checker_.Check(token);
        if (!verified.ok() || !checker_.Recheck(**verified).ok()) ++refused;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  done = true;
  swapper.join();
  EXPECT_EQ(refused, 0);
}

TEST_F(CheckerTest, CredentialOfARevokedKeyIsRefusedEvenIfItWasCached) {
  trust_.SetKeys(signer_.keys());
  const std::string token = Good();
  const auto verified = checker_.Check(token);
  ASSERT_THAT(verified, IsOk());
  trust_.revocations().Add({.target = Revocation::Key{"test-key"}, .expires_at = clock_.Now() + absl::Hours(1)},
                           clock_.Now());
  EXPECT_THAT(checker_.Check(token), HasReason(kTokenRevoked));
  EXPECT_THAT(checker_.Recheck(**verified), HasReason(kTokenRevoked));
}

TEST_F(CheckerTest, MadeUpKeyIdsLeaveNothingBehind) {
  trust_.SetKeys(signer_.keys());
  const std::string good = Good();
  const absl::string_view after_header = absl::string_view(good).substr(good.find('.'));
  const auto refuse = [&](int i) {
    const std::string header = absl::StrCat(R"({"alg":"ES256","typ":"at+jwt","kid":"made-up-)", i, R"("})");
    EXPECT_THAT(checker_.Check(absl::StrCat(Base64UrlEncode(header), after_header)), HasReason(kTokenInvalid));
  };
  refuse(0);
  const size_t before = mallinfo2().uordblks;
  for (int i = 1; i <= 100'000; ++i) refuse(i);
  EXPECT_LT(mallinfo2().uordblks, before + 1'000'000);
}

TEST_F(CheckerTest, ClockThatIsSetIsBelievedAtOnceInBothDirections) {
  trust_.SetKeys(signer_.keys());
  const std::string token = Good();
  const absl::Time now = clock_.Now();
  ASSERT_THAT(checker_.Check(token), IsOk());
  clock_.SetNow(now + absl::Hours(1));
  EXPECT_THAT(checker_.Check(token), HasReason(kTokenExpired));
  clock_.SetNow(now - absl::Hours(1));
  EXPECT_THAT(checker_.Check(token), HasReason(kTokenInvalid)) << "issued in the future";
  clock_.SetNow(now);
  EXPECT_THAT(checker_.Check(token), IsOk());
}

// As a gate does: credentials are judged by the later of our clock and the auth service's.
class CheckerOnIssuersClockTest : public CheckerTest {
 protected:
  CheckerOnIssuersClockTest() {
    trust_.SetKeys(signer_.keys());
    trust_.NoteHeartbeat(absl::ZeroDuration(), clock_.Now());
  }
  CredentialChecker checker_{Verifier(), trust_, trust_.credential_clock()};
};

TEST_F(CheckerOnIssuersClockTest, ExpiredCredentialStaysExpiredWhenOurClockIsSetBack) {
  const Claims claims = GoodClaims(clock_.Now());
  const std::string cached = MintToken(signer_, claims), fresh = Good();
  ASSERT_THAT(checker_.Check(cached), IsOk());
  const absl::Duration until_end = claims.expires_at + absl::Seconds(30) - clock_.Now();
  clock_.Advance(until_end - absl::Nanoseconds(1));
  EXPECT_THAT(checker_.Check(cached), IsOk());
  clock_.SetNow(clock_.Now() - absl::Hours(1));
  EXPECT_THAT(checker_.Check(cached), IsOk()) << "nor is it issued in the future now";
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_THAT(checker_.Check(cached), HasReason(kTokenExpired));
  EXPECT_THAT(checker_.Check(fresh), HasReason(kTokenExpired));
}

TEST_F(CheckerOnIssuersClockTest, ClockThatStepsEachSecondAndThenIsSlewedNeverExtendsACredential) {
  const Claims claims = GoodClaims(clock_.Now());
  const std::string token = MintToken(signer_, claims);
  const absl::Time begin = clock_.Now();
  const absl::Time end = claims.expires_at + absl::Seconds(30);
  for (absl::Time right = begin; right < end + absl::Minutes(10); right += absl::Seconds(1)) {
    const int second = static_cast<int>(absl::ToInt64Seconds(right - begin));
    const absl::Duration wrong[] = {absl::ZeroDuration(), -absl::Hours(1), -absl::Seconds(second) / 2, -absl::Hours(9)};
    clock_.SetNow(right + wrong[second % 4]);
    EXPECT_EQ(checker_.Check(token).ok(), right < end) << second;
    clock_.SetNow(right);
    clock_.Advance(absl::Seconds(1));
  }
}

TEST_F(CheckerOnIssuersClockTest, ClockAheadOfTheAuthServicesIsBelieved) {
  const std::string token = Good();
  clock_.SetNow(clock_.Now() + absl::Hours(1));
  EXPECT_THAT(checker_.Check(token), HasReason(kTokenExpired));
}

TEST_F(CheckerTest, LeapDaysAndTheEndsOfNarrowClocksAreDaysLikeAnyOther) {
  trust_.SetKeys(signer_.keys());
  for (const char* date : {"2028-02-29T23:59:59Z", "2038-01-19T03:14:07Z", "2100-02-28T23:59:59Z",
                           "2106-02-07T06:28:15Z", "2400-02-29T23:59:59Z"}) {
    absl::Time time;
    std::string error;
    ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, date, &time, &error)) << error;
    clock_.SetNow(time);
    Claims claims = GoodClaims(time);
    const std::string token = MintToken(signer_, claims);
    EXPECT_THAT(checker_.Check(token), IsOk()) << date;
    clock_.SetNow(claims.expires_at + absl::Seconds(30) - absl::Microseconds(1));
    EXPECT_THAT(checker_.Check(token), IsOk()) << date;
    clock_.SetNow(claims.expires_at + absl::Seconds(30));
    EXPECT_THAT(checker_.Check(token), HasReason(kTokenExpired)) << date;
  }
}

TEST(TrustStateTest, StalenessIsTheTimeSinceTheLastHeartbeatWhateverTheTimeOfDay) {
  FakeClock clock;
  TrustState trust(clock);
  EXPECT_EQ(trust.staleness(), absl::InfiniteDuration());
  trust.NoteHeartbeat();
  EXPECT_EQ(trust.staleness(), absl::ZeroDuration());
  clock.Advance(absl::Seconds(5));
  clock.SetNow(clock.Now() - absl::Hours(1));
  EXPECT_EQ(trust.staleness(), absl::Seconds(5));
  trust.NoteHeartbeat();
  EXPECT_EQ(trust.staleness(), absl::ZeroDuration());
}

}  // namespace
}  // namespace watchword
