#include "watchword/trust/revocations.h"

#include <malloc.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/numbers.h"
#include "gmock/gmock.h"
#include "testing/status_matchers.h"

namespace watchword {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
const absl::Time kExpiry = kNow + absl::Minutes(5);
constexpr absl::Duration kTick = absl::Microseconds(1);

Uuid NewId(absl::Time time = kNow) { return Uuid::NewV7(time, SystemRandom()).value(); }

VerifiedCredential Credential(const std::string& session, const std::string& subject, std::string key = "key",
                              absl::Time issued_at = kNow) {
  Claims claims;
  claims.subject = subject;
  claims.session_id = session;
  claims.issued_at = issued_at;
  return VerifiedCredential::AssumeVerified(std::move(claims), std::move(key));
}

TEST(RevocationSetTest, RevokedSessionIsRevokedAndOthersAreNot) {
  const Uuid session = NewId(), other = NewId(), user = NewId();
  RevocationSet set;
  set.Add({.seq = 1, .target = Revocation::Session{session}, .expires_at = kExpiry}, kNow);
  EXPECT_TRUE(set.IsRevoked(Credential(session.ToString(), user.ToString())));
  EXPECT_FALSE(set.IsRevoked(Credential(other.ToString(), user.ToString())));
  // A session's id is not mistaken for a principal's.
  EXPECT_FALSE(set.IsRevoked(Credential(other.ToString(), session.ToString())));
}

TEST(RevocationSetTest, SessionsOfAPrincipalThatBeganUntilTheTimeAreRevoked) {
  const Uuid user = NewId();
  RevocationSet set;
  set.Add({.target = Revocation::Principal{user, kNow}, .expires_at = kExpiry}, kNow);
  const auto began = [&](absl::Time time) { return Credential(NewId(time).ToString(), user.ToString()); };
  EXPECT_TRUE(set.IsRevoked(began(kNow - absl::Milliseconds(1))));
  EXPECT_TRUE(set.IsRevoked(began(kNow)));
  EXPECT_FALSE(set.IsRevoked(began(kNow + absl::Milliseconds(1))));
  EXPECT_FALSE(set.IsRevoked(Credential(NewId(kNow).ToString(), NewId().ToString())));
}

TEST(RevocationSetTest, SessionIdWithoutATimeCountsFromItsIssuedAt) {
  const Uuid user = NewId();
  RevocationSet set;
  set.Add({.target = Revocation::Principal{user, kNow}, .expires_at = kExpiry}, kNow);
  for (const char* session : {"not-a-uuid", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"}) {
    EXPECT_TRUE(set.IsRevoked(Credential(session, user.ToString(), "key", kNow))) << session;
    EXPECT_FALSE(set.IsRevoked(Credential(session, user.ToString(), "key", kNow + kTick))) << session;
  }
}

TEST(RevocationSetTest, EverythingOfARevokedKeyIsRevoked) {
  RevocationSet set;
  set.Add({.target = Revocation::Key{"bad"}, .expires_at = kExpiry}, kNow);
  EXPECT_TRUE(set.IsRevoked(Credential("s", "u", "bad")));
  EXPECT_FALSE(set.IsRevoked(Credential("s", "u", "good")));
}

TEST(RevocationSetTest, EntryIsKeptUntilNoClockCanAcceptWhatItRevokes) {
  const Uuid session = NewId(), user = NewId();
  RevocationSet set;
  set.Add({.target = Revocation::Session{session}, .expires_at = kExpiry}, kNow);
  set.Add({.target = Revocation::Principal{user, kNow}, .expires_at = kExpiry}, kNow);
  set.Add({.target = Revocation::Key{"bad"}, .expires_at = kExpiry}, kNow);
  set.DropExpired(kExpiry + kRevocationMargin - kTick);
  EXPECT_EQ(set.size(), 3u);
  EXPECT_TRUE(set.IsRevoked(Credential(session.ToString(), "u")));
  set.DropExpired(kExpiry + kRevocationMargin);
  EXPECT_EQ(set.size(), 0u);
  EXPECT_FALSE(set.IsRevoked(Credential(session.ToString(), user.ToString(), "bad")));
}

TEST(RevocationSetTest, EntryThatHasExpiredIsNotStored) {
  RevocationSet set;
  set.Add({.target = Revocation::Session{NewId()}, .expires_at = kNow - kRevocationMargin}, kNow);
  EXPECT_EQ(set.size(), 0u);
  set.Add({.target = Revocation::Session{NewId()}, .expires_at = kNow - kRevocationMargin + kTick}, kNow);
  EXPECT_EQ(set.size(), 1u);
}

// WATCHWORD_REVOCATIONS_PER_SECOND=1000 is what is promised; this is shorter.
TEST(RevocationSetTest, ADayOfRevocationsTakesNoMoreMemoryThanItsFirstHour) {
  int per_second = 50;
  if (const char* text = std::getenv("WATCHWORD_REVOCATIONS_PER_SECOND")) {
    ASSERT_TRUE(absl::SimpleAtoi(text, &per_second)) << text;
  }
  const int each_minute = 60 * per_second;
  const absl::Duration lifetime = absl::Minutes(5);
  const auto in_use = [] {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  RevocationSet set;
  std::mt19937_64 random;  // 16 bytes from the kernel for each would take most of the time
  const size_t before = in_use();
  size_t after_an_hour = 0;
  for (int minute = 0; minute < 24 * 60; ++minute) {
    const absl::Time now = kNow + absl::Minutes(minute);
    for (int i = 0; i < each_minute; ++i) {
      const std::array<uint64_t, 2> bytes = {random(), random()};
      const Uuid id = *Uuid::FromBytes({reinterpret_cast<const char*>(bytes.data()), sizeof(bytes)});
      set.Add({.target = Revocation::Session{id}, .expires_at = now + lifetime}, now);
    }
    set.DropExpired(now);
    if (minute == 60) after_an_hour = in_use() - before;
  }
  EXPECT_LE(set.size(), each_minute * absl::ToInt64Minutes(lifetime + kRevocationMargin + absl::Minutes(1)));
  EXPECT_LE(in_use() - before, 2 * after_an_hour);  // by chance, a shard may outgrow its table later, and that doubles
}

TEST(RevocationSetTest, EntryAddedTwiceChangesNothing) {
  const Revocation entry{.target = Revocation::Session{NewId()}, .expires_at = kExpiry};
  RevocationSet set;
  set.Add(entry, kNow);
  set.Add(entry, kNow);
  EXPECT_EQ(set.size(), 1u);
}

TEST(RevocationSetTest, EarlierEntryDoesNotTakeBackALaterOne) {
  const Uuid user = NewId();
  RevocationSet set;
  set.Add({.target = Revocation::Principal{user, kNow}, .expires_at = kExpiry}, kNow);
  set.Add({.target = Revocation::Principal{user, kNow - absl::Hours(1)}, .expires_at = kNow}, kNow);
  set.DropExpired(kNow + kRevocationMargin);
  EXPECT_TRUE(set.IsRevoked(Credential(NewId(kNow).ToString(), user.ToString())));
}

}  // namespace
}  // namespace watchword
