#include "server/crypto/password_hasher.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <functional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "watchword/base/testing/fake_random.h"

namespace watchword {
namespace {

using Code = absl::StatusCode;

// The least that is allowed, to keep the tests short.
constexpr PasswordHasher::Cost kCost = {.memory_kib = 8192, .passes = 1};

Secret Password(absl::string_view text) { return Secret::CopyOf(text); }

class PasswordHasherTest : public testing::Test {
 protected:
  FakeRandom random_;
  const PasswordHasher hasher_ = *PasswordHasher::Create(kCost, random_);
};

// Made by the reference implementation:
//   pip install argon2-cffi; python3 -c 'from argon2.low_level import *
//   print(hash_secret(b"correct horse battery staple", bytes(range(16)), 2, 19456, 1, 32, Type.ID))
//   print(hash_secret("pässword".encode(), bytes(range(16, 32)), 1, 8192, 1, 32, Type.ID))
//   print(hash_secret(b"", b"0123456789abcdef", 3, 8, 1, 32, Type.ID))'
struct KnownHash {
  absl::string_view password;
  absl::string_view phc;
};
constexpr std::array<KnownHash, 3> kKnownHashes = {{
    {"correct horse battery staple",
     "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$gYJZtjEAJqjg26xdLmknq8/bB7MiWPrE9hsYuA+SkIU"},
    {"p\u00e4ssword",
     "$argon2id$v=19$m=8192,t=1,p=1$EBESExQVFhcYGRobHB0eHw$Fbp+zs8xBWBRfYwWoasARJIPbPNg4cPZjhnp4FrlPa0"},
    {"", "$argon2id$v=19$m=8,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$FjK/hS0Y4YcNN3KVzEvRbScF/d0/UDJ8d5Kiv0yslPM"},
}};

TEST_F(PasswordHasherTest, HashesOfTheReferenceImplementationAreVerified) {
  for (const KnownHash& known : kKnownHashes) {
    const auto right = hasher_.Verify(Password(known.password), known.phc);
    ASSERT_THAT(right, IsOk());
    EXPECT_TRUE(*right) << known.phc;
    const auto wrong = hasher_.Verify(Password(absl::StrCat(known.password, "x")), known.phc);
    ASSERT_THAT(wrong, IsOk());
    EXPECT_FALSE(*wrong) << known.phc;
  }
}

TEST_F(PasswordHasherTest, HashIsWhatTheReferenceImplementationWrites) {
  FakeRandom random;  // the dummy hash takes its bytes 0 to 47, so that the salt begins with 48
  const auto hasher = PasswordHasher::Create({}, random);
  ASSERT_THAT(hasher, IsOk());
  const auto phc = hasher->Hash(Password("correct horse battery staple"));
  ASSERT_THAT(phc, IsOk());
  // python3: hash_secret(b"correct horse battery staple", bytes(range(48, 64)), 2, 19456, 1, 32, Type.ID)
  EXPECT_EQ(*phc, "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OTo7PD0+Pw$17c47cqIFB3u/5y18aJofjVTaBJzJORRoPzdkkPYwJc");
}

TEST_F(PasswordHasherTest, OnlyTheRightPasswordIsRight) {
  const auto phc = hasher_.Hash(Password("password"));
  ASSERT_THAT(phc, IsOk());
  EXPECT_TRUE(*hasher_.Verify(Password("password"), *phc));
  for (const absl::string_view wrong : {"", "passwore", "Password", "password ", "passwor"}) {
    EXPECT_FALSE(*hasher_.Verify(Password(wrong), *phc)) << wrong;
  }
}

TEST_F(PasswordHasherTest, EveryByteOfThePasswordCounts) {
  const auto after_nul = hasher_.Hash(Password(absl::string_view("abc\0def", 7)));
  ASSERT_THAT(after_nul, IsOk());
  EXPECT_FALSE(*hasher_.Verify(Password(absl::string_view("abc\0deg", 7)), *after_nul));
  EXPECT_FALSE(*hasher_.Verify(Password("abc"), *after_nul));
  const auto long_one = hasher_.Hash(Password(std::string(73, 'a')));
  ASSERT_THAT(long_one, IsOk());
  EXPECT_FALSE(*hasher_.Verify(Password(std::string(72, 'a')), *long_one));
  EXPECT_TRUE(*hasher_.Verify(Password(std::string(73, 'a')), *long_one));
}

TEST_F(PasswordHasherTest, EachHashTakesASaltOfItsOwn) {
  EXPECT_NE(*hasher_.Hash(Password("password")), *hasher_.Hash(Password("password")));
}

// No hashing happens for these: each is refused by its form.
TEST_F(PasswordHasherTest, DamagedOrPlantedHashIsRefused) {
  const std::string salt = "AAECAwQFBgcICQoLDA0ODw";
  const std::string hash = "gYJZtjEAJqjg26xdLmknq8/bB7MiWPrE9hsYuA+SkIU";
  const std::string tail = absl::StrCat("$", salt, "$", hash);
  const std::string good = absl::StrCat("$argon2id$v=19$m=8192,t=1,p=1", tail);
  ASSERT_THAT(hasher_.Verify(Password("x"), good), IsOk());
  for (const std::string& phc : {
           std::string(),
           std::string("x"),
           absl::StrCat("$argon2id$v=19$m=4194304,t=1,p=1", tail),  // 4 GiB
           absl::StrCat("$argon2id$v=19$m=1048577,t=1,p=1", tail),
           absl::StrCat("$argon2id$v=19$m=7,t=1,p=1", tail),
           absl::StrCat("$argon2id$v=19$m=0,t=1,p=1", tail),
           absl::StrCat("$argon2id$v=19$m=99999999999999999999,t=1,p=1", tail),
           absl::StrCat("$argon2id$v=19$m=8192,t=1000000,p=1", tail),
           absl::StrCat("$argon2id$v=19$m=8192,t=65,p=1", tail),
           absl::StrCat("$argon2id$v=19$m=8192,t=0,p=1", tail),
           absl::StrCat("$argon2id$v=19$m=8192,t=1,p=255", tail),
           absl::StrCat("$argon2id$v=19$m=8192,t=1,p=65", tail),
           absl::StrCat("$argon2id$v=19$m=15,t=1,p=2", tail),       // 8 KiB for each lane at least
           absl::StrCat("$argon2id$v=19$m=1048576,t=5,p=1", tail),  // either alone would do
           absl::StrCat("$argon2id$v=19$m=8192,t=1,p=0", tail),
           absl::StrCat("$argon2i$v=19$m=8192,t=1,p=1", tail),
           absl::StrCat("$argon2d$v=19$m=8192,t=1,p=1", tail),
           absl::StrCat("$argon2id$v=16$m=8192,t=1,p=1", tail),
           absl::StrCat("$argon2id$m=8192,t=1,p=1", tail),
           absl::StrCat("$argon2id$v=19$t=1,m=8192,p=1", tail),
           absl::StrCat("$argon2id$v=19$m=08192,t=1,p=1", tail),
           absl::StrCat("$argon2id$v=19$m=+8192,t=1,p=1", tail),
           absl::StrCat("$argon2id$v=19$m= 8192,t=1,p=1", tail),
           absl::StrCat("$argon2id$v=19$m=8192,t=1,p=1,keyid=x", tail),
           absl::StrCat("$argon2id$v=19$m=8192,t=1,p=1$", salt),
           absl::StrCat("$argon2id$v=19$m=8192,t=1,p=1$$", hash),
           absl::StrCat("$argon2id$v=19$m=8192,t=1,p=1$", salt, "$"),
           absl::StrCat("$argon2id$v=19$m=8192,t=1,p=1$", salt, "==$", hash),
           absl::StrCat("$argon2id$v=19$m=8192,t=1,p=1$", salt, "$", hash, "="),
           absl::StrCat("$argon2id$v=19$m=8192,t=1,p=1$", salt.substr(12), "$", hash),
           absl::StrCat("$argon2id$v=19$m=8192,t=1,p=1$AAEC-wQFBgcICQoLDA0ODw$", hash),
           absl::StrCat("$argon2id$v=19$m=8192,t=1,p=1$AAECAwQFBgcICQoLDA0OD!$", hash),
           absl::StrCat("$argon2id$v=19$m=8192,t=1,p=1$AAECAwQFBgcICQoLDA0ODx$", hash),  // unused bits set
           absl::StrCat(good, "$"),
           absl::StrCat(good, "\n"),
           absl::StrCat(" ", good),
           std::string(1'000'000, '$'),
       }) {
    EXPECT_THAT(hasher_.Verify(Password("x"), phc), HasCode(Code::kFailedPrecondition)) << phc.substr(0, 100);
    EXPECT_FALSE(hasher_.NeedsRehash(phc)) << phc.substr(0, 100);
  }
}

absl::Duration CpuTimeOf(const std::function<void()>& work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return absl::DurationFromTimespec(time);
  };
  std::array<absl::Duration, 7> times;
  for (absl::Duration& time : times) {
    const absl::Duration before = now();
    work();
    time = now() - before;
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

TEST_F(PasswordHasherTest, VerifyingAgainstTheDummyIsFullWork) {
  const auto real = hasher_.Hash(Password("password"));
  ASSERT_THAT(real, IsOk());
  EXPECT_GE(CpuTimeOf([&] { EXPECT_FALSE(*hasher_.Verify(Password("wrong"), hasher_.dummy_hash())); }),
            0.5 * CpuTimeOf([&] { EXPECT_FALSE(*hasher_.Verify(Password("wrong"), *real)); }));
}

// Whether it is right or not: a disabled account with the right password is answered like one with a wrong one.
TEST_F(PasswordHasherTest, AHashThatCostLessTakesAsLongAsOneOfTheLiveCost) {
  const auto hasher = PasswordHasher::Create({.memory_kib = 32 * 1024, .passes = 1}, random_);
  ASSERT_THAT(hasher, IsOk());
  const absl::Duration live =
      CpuTimeOf([&] { EXPECT_FALSE(*hasher->Verify(Password("wrong"), hasher->dummy_hash())); });
  for (const absl::string_view cheap :
       {"$argon2id$v=19$m=8,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$FjK/hS0Y4YcNN3KVzEvRbScF/d0/UDJ8d5Kiv0yslPM",
        "$7$06..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D",
        "$pbkdf2-sha256$1$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44"}) {
    for (const absl::string_view password : {"", "wrong"}) {
      const absl::Duration took = CpuTimeOf([&] { EXPECT_THAT(hasher->Verify(Password(password), cheap), IsOk()); });
      EXPECT_GE(took, 0.6 * live) << cheap;
      EXPECT_LE(took, 1.7 * live) << cheap;
    }
  }
}

TEST_F(PasswordHasherTest, DummyHasTheLiveCostAndIsNeverRight) {
  const PasswordHasher::Cost cost = {.memory_kib = 9000, .passes = 3};
  const auto hasher = PasswordHasher::Create(cost, random_);
  ASSERT_THAT(hasher, IsOk());
  EXPECT_TRUE(absl::StartsWith(hasher->dummy_hash(), "$argon2id$v=19$m=9000,t=3,p=1$"));
  EXPECT_FALSE(*hasher->Verify(Password(""), hasher->dummy_hash()));
}

TEST_F(PasswordHasherTest, DummyOfEachServerIsAnother) {
  const auto other = PasswordHasher::Create(kCost, random_);
  ASSERT_THAT(other, IsOk());
  EXPECT_NE(other->dummy_hash(), hasher_.dummy_hash());
}

TEST_F(PasswordHasherTest, OnlyALowerCostNeedsRehash) {
  const auto hasher = PasswordHasher::Create({.memory_kib = 9000, .passes = 2}, random_);
  ASSERT_THAT(hasher, IsOk());
  const absl::string_view tail = ",p=1$AAECAwQFBgcICQoLDA0ODw$gYJZtjEAJqjg26xdLmknq8/bB7MiWPrE9hsYuA+SkIU";
  const auto needs_rehash = [&](absl::string_view cost) {
    return hasher->NeedsRehash(absl::StrCat("$argon2id$v=19$", cost, tail));
  };
  EXPECT_TRUE(needs_rehash("m=8999,t=2"));
  EXPECT_TRUE(needs_rehash("m=9000,t=1"));
  EXPECT_FALSE(needs_rehash("m=9000,t=2"));
  EXPECT_FALSE(needs_rehash("m=9001,t=2"));
  EXPECT_FALSE(needs_rehash("m=9000,t=3"));
}

TEST_F(PasswordHasherTest, AHashOfAnotherSystemNeedsRehash) {
  EXPECT_TRUE(hasher_.NeedsRehash("$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"));
  EXPECT_TRUE(hasher_.NeedsRehash(
      "$argon2id$v=19$m=65536,t=4,p=4$AAECAwQFBgcICQoLDA0ODw$gYJZtjEAJqjg26xdLmknq8/bB7MiWPrE9hsYuA+SkIU"));
  EXPECT_FALSE(hasher_.NeedsRehash(hasher_.dummy_hash()));
  EXPECT_FALSE(hasher_.NeedsRehash(""));
  EXPECT_FALSE(hasher_.NeedsRehash("$1$salt$hash"));
}

TEST_F(PasswordHasherTest, AHashThatWantsMoreMemoryThanIsAllowedIsRefusedWithoutHashing) {
  constexpr size_t kAllowed = size_t{16} << 20;
  const auto hasher = PasswordHasher::Create(kCost, random_, kAllowed);
  ASSERT_THAT(hasher, IsOk());
  const std::string tail = ",t=1,p=1$AAECAwQFBgcICQoLDA0ODw$gYJZtjEAJqjg26xdLmknq8/bB7MiWPrE9hsYuA+SkIU";
  const std::string within = absl::StrCat("$argon2id$v=19$m=16384", tail);
  EXPECT_THAT(hasher->CheckStored(within), IsOk());
  EXPECT_EQ(hasher->MemoryFor(within), kAllowed);
  EXPECT_THAT(hasher->CheckStored(absl::StrCat("$argon2id$v=19$m=16385", tail)), HasCode(Code::kFailedPrecondition));
  EXPECT_THAT(hasher->CheckStored("$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D"), IsOk());
  EXPECT_THAT(hasher->CheckStored("$7$D6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D"),
              HasCode(Code::kFailedPrecondition));
  EXPECT_EQ(hasher->MemoryFor("nonsense"), hasher->memory());
  EXPECT_THAT(PasswordHasher::Create(kCost, random_, hasher->memory() - 1), HasCode(Code::kInvalidArgument));
}

TEST(PasswordHasherCreateTest, CostOutsideItsBoundsIsRefused) {
  FakeRandom random;
  EXPECT_THAT(PasswordHasher::Create({.memory_kib = 8191, .passes = 1}, random), HasCode(Code::kInvalidArgument));
  EXPECT_THAT(PasswordHasher::Create({.memory_kib = 8192, .passes = 0}, random), HasCode(Code::kInvalidArgument));
  EXPECT_THAT(PasswordHasher::Create({.memory_kib = 1048577, .passes = 1}, random), HasCode(Code::kInvalidArgument));
  EXPECT_THAT(PasswordHasher::Create({.memory_kib = 8192, .passes = 65}, random), HasCode(Code::kInvalidArgument));
  EXPECT_THAT(PasswordHasher::Create({.memory_kib = 1048576, .passes = 5}, random), HasCode(Code::kInvalidArgument));
  EXPECT_THAT(PasswordHasher::Create({.memory_kib = 8192, .passes = 64}, random), IsOk());
  EXPECT_EQ(random.given(), 48);  // only the last took a password and a salt
}

// Gives randomness until told to fail.
class FickleRandom final : public RandomSource {
 public:
  absl::Status Fill(absl::Span<uint8_t> out) override {
    return fails ? absl::InternalError("no randomness") : source_.Fill(out);
  }
  bool fails = false;

 private:
  FakeRandom source_;
};

TEST(PasswordHasherCreateTest, WithoutRandomnessNothingIsHashed) {
  FailingRandom none;
  EXPECT_THAT(PasswordHasher::Create(kCost, none), HasCode(Code::kInternal));
  FickleRandom random;
  const auto hasher = PasswordHasher::Create(kCost, random);
  ASSERT_THAT(hasher, IsOk());
  random.fails = true;
  EXPECT_THAT(hasher->Hash(Password("password")), HasCode(Code::kInternal));
}

}  // namespace
}  // namespace watchword
