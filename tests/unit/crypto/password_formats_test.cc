#include "server/crypto/password_formats.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "server/crypto/password_hasher.h"
#include "testing/status_matchers.h"
#include "watchword/base/testing/fake_random.h"

namespace watchword {
namespace {

using Code = absl::StatusCode;

struct Known {
  std::string from;
  std::string password;
  std::string hash;
};

// None of them made here.
const std::vector<Known>& KnownHashes() {
  static const auto& known = *new std::vector<Known>{
      {"the reference implementation's test.c: two lanes", "password",
       "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"},
      {"the same: a salt of 8 bytes", "password",
       "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"},
      {"crypt_blowfish's wrapper.c", "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
      {"crypt_blowfish's wrapper.c", "U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"},
      {"crypt_blowfish's wrapper.c", "U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"},
      {"crypt_blowfish's wrapper.c", "\xff\xff\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"},
      {"the same salt and password, as bcrypt now names itself", "U*U",
       "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
      {"Drepper's specification of SHA-crypt", "Hello world!",
       "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"},
      {"Drepper's specification of SHA-crypt", "Hello world!",
       "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/"
       "YTBmSK6H9qs/y3RnOaw5v."},
      {"libxcrypt's known answers", "abc", "$y$j75$.......$stbr2M6i8w/SU36N/.i6VVEHCMYG2OkDpj/I1wKYZC4"},
      {"a system image with its password beside it", "WA7NERURoVlDegBUVyM1Kk",
       "$y$j9T$Qeof7nTZR1kT1cFwdlZqd0$B5.LdYzAcE8IwmEjeOUR9RwIwpalyyj/oxaiDqnryZ/"},
      {"escrypt's tests", "pleaseletmein", "$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D"},
      {"RFC 7914 section 12, N=1024 r=8 p=16", "password",
       "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/"
       "xCSedmDDaxyevuUqD7m2DYMvfoswGQA"},
      {"passlib's documentation", "password",
       "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"},
      {"RFC 7914 section 11", "Password",
       "$pbkdf2-sha256$i=80000,l=64$TmFDbA$TdzY9guYviGDDO5e8icB+WQaRBjQTAQUrv8Ih2s0q1ah1CWhIlgzVJrbhBtRybMXaicr3ruh0Hh"
       "Hj2Kzl/M8jQ"},
      {"RFC 6070, in passlib's form", "password", "$pbkdf2$4096$c2FsdA$SwB5AbdlSJq.rUnZJvch0GWkKcE"},
      {"passlib's documentation", "password",
       "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44"},
      {"Django's tests", "l\u00e8tmein", "pbkdf2_sha256$24000$seasalt$V9DfCAVoweeLwxC/L2mb+7swhzF0XYdyQMqmusZqiTc="},
      {"Django's tests, at its present cost", "l\u00e8tmein",
       "pbkdf2_sha256$870000$seasalt$wJSpLMQRQz0Dhj/pFpbyjMj71B2gUYp6HJS5AU+32Ac="},
      {"passlib's tests", "not a password", "pbkdf2_sha1$10000$wz5B6WkasRoF$atJmJ1o+XfJxKq1+Nu1f1i57Z5I="},
  };
  return known;
}

class PasswordFormatsTest : public testing::Test {
 protected:
  absl::StatusOr<bool> Verify(absl::string_view password, absl::string_view hash) const {
    return hasher_.Verify(Secret::CopyOf(password), hash);
  }

  FakeRandom random_;
  const PasswordHasher hasher_ = *PasswordHasher::Create({.memory_kib = 8192, .passes = 1}, random_);
};

TEST_F(PasswordFormatsTest, KnownAnswersOfEachSchemeAreVerified) {
  for (const Known& known : KnownHashes()) {
    EXPECT_THAT(hasher_.CheckStored(known.hash), IsOk()) << known.from;
    const auto right = Verify(known.password, known.hash);
    ASSERT_THAT(right, IsOk()) << known.from << known.hash;
    EXPECT_TRUE(*right) << known.from << known.hash;
    for (const std::string& wrong : {known.password + "x", std::string(), known.password + std::string("\0x", 2)}) {
      const auto verdict = Verify(wrong, known.hash);
      ASSERT_THAT(verdict, IsOk()) << known.from;
      EXPECT_FALSE(*verdict) << known.from << known.hash;
    }
  }
}

TEST_F(PasswordFormatsTest, APasswordThatCryptCannotTakeIsWrong) {
  for (const Known& known : KnownHashes()) {
    const auto verdict = Verify(std::string(1024, 'x'), known.hash);
    ASSERT_THAT(verdict, IsOk()) << known.from;
    EXPECT_FALSE(*verdict);
  }
}

TEST_F(PasswordFormatsTest, MemoryIsToldBeforeItIsTaken) {
  EXPECT_EQ(hasher_.MemoryFor("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
            64u << 20);
  EXPECT_EQ(hasher_.MemoryFor("$y$j9T$Qeof7nTZR1kT1cFwdlZqd0$B5.LdYzAcE8IwmEjeOUR9RwIwpalyyj/oxaiDqnryZ/"), 16u << 20);
  EXPECT_EQ(hasher_.MemoryFor("$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D"), 16u << 20);
  EXPECT_GE(
      hasher_.MemoryFor("$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"),
      64u << 20);
}

// Each asks for hours, or for more memory than there is; if it were hashed, this would not end.
TEST_F(PasswordFormatsTest, AbsurdCostIsRefusedWithoutHashing) {
  const std::string sha512 = KnownHashes()[7].hash.substr(std::string("$6$saltstring$").size());
  for (const std::string& hash : {
           std::string("$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
           std::string("$2b$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
           absl::StrCat("$6$rounds=999999999$saltstring$", sha512),
           absl::StrCat("$6$rounds=1000001$saltstring$", sha512),
           std::string("$y$jVT$Qeof7nTZR1kT1cFwdlZqd0$B5.LdYzAcE8IwmEjeOUR9RwIwpalyyj/oxaiDqnryZ/"),
           std::string("$y$jHT$Qeof7nTZR1kT1cFwdlZqd0$B5.LdYzAcE8IwmEjeOUR9RwIwpalyyj/oxaiDqnryZ/"),
           std::string("$y$jD5.7$LdJMENpBABJJ3hIHjB1Bi.$HboGM6qPrsK.StKYGt6KErmUYtioHreJd98oIugoNB6"),
           std::string("$7$zzzzzzzzzzzSodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D"),
           std::string("$7$J6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D"),
           std::string("$7$C6....zzzzzSodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D"),
           std::string("$scrypt$ln=20,r=9,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"),
           std::string("$scrypt$ln=16,r=8,p=64$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"),
           std::string("$scrypt$ln=63,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"),
           std::string("pbkdf2_sha256$5000001$seasalt$V9DfCAVoweeLwxC/L2mb+7swhzF0XYdyQMqmusZqiTc="),
           std::string("$pbkdf2-sha256$4294967295$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44"),
           std::string("$pbkdf2$5000001$c2FsdA$SwB5AbdlSJq.rUnZJvch0GWkKcE"),
           std::string("$argon2id$v=19$m=1048576,t=64,p=4$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"),
       }) {
    EXPECT_THAT(Verify("x", hash), HasCode(Code::kFailedPrecondition)) << hash;
    EXPECT_THAT(hasher_.CheckStored(hash), HasCode(Code::kFailedPrecondition)) << hash;
  }
}

TEST_F(PasswordFormatsTest, EveryTruncationAndForeignCharacterIsRefusedOrWrongAndNeverRight) {
  for (const Known& known : KnownHashes()) {
    if (absl::StrContains(known.hash, "870000") || absl::StrContains(known.hash, "ln=16"))
      continue;  // slow to be wrong
    // In the PHC forms 16 bytes of hash are a hash.
    const bool has_any_size =
        absl::StartsWith(known.hash, "$") && known.hash.size() > 4 && known.hash[3] != '$' && known.hash[2] != '$';
    const size_t sizes = has_any_size ? known.hash.rfind('$') + 1 + 22 : known.hash.size();
    for (size_t size = 0; size < sizes; ++size) {
      EXPECT_THAT(hasher_.CheckStored(known.hash.substr(0, size)), HasCode(Code::kFailedPrecondition))
          << known.hash << " " << size;
    }
    for (size_t i = 0; i < known.hash.size(); ++i) {
      for (const char c : {'\0', '\n', ':', '*', '\xff'}) {
        std::string changed = known.hash;
        changed[i] = c;
        const auto verdict = Verify(known.password, changed);
        EXPECT_FALSE(verdict.ok() && *verdict) << known.hash << " " << i;
      }
    }
    EXPECT_THAT(hasher_.CheckStored(known.hash + "$"), HasCode(Code::kFailedPrecondition)) << known.hash;
    EXPECT_THAT(hasher_.CheckStored(" " + known.hash), HasCode(Code::kFailedPrecondition)) << known.hash;
  }
}

TEST_F(PasswordFormatsTest, SchemesThatAreNotKnownHereAreRefused) {
  for (const absl::string_view hash : {"plain text", "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "rqXexS6ZhobKA",
                                       "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8",
                                       "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
                                       "$2$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
                                       "{SSHA}nVR0vhNTVkRVRkFFVkZGRQ==", "*0", "!", "*", "$", "$$"}) {
    EXPECT_THAT(hasher_.CheckStored(hash), HasCode(Code::kFailedPrecondition)) << hash;
  }
}

TEST_F(PasswordFormatsTest, WhatIsWrongIsSaidWithoutTheHash) {
  for (const Known& known : KnownHashes()) {
    const std::string tail = known.hash.substr(known.hash.size() / 2);
    const absl::Status refused = hasher_.CheckStored(known.hash + "$");
    EXPECT_FALSE(absl::StrContains(refused.message(), tail)) << refused;
  }
}

}  // namespace
}  // namespace watchword
