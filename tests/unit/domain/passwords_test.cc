#include "server/domain/passwords.h"

#include <ctime>
#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace watchword {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// The canonical form, or the text of the error.
std::string Canonical(absl::string_view password) {
  const auto canonical = CanonicalPassword(password);
  return canonical.ok() ? std::string(canonical->Reveal()) : canonical.status().ToString();
}

TEST(CanonicalPasswordTest, ExamplesOfRfc8265) {
  EXPECT_EQ(Canonical("correct horse battery staple"), "correct horse battery staple");
  EXPECT_EQ(Canonical("Correct Horse Battery Staple"), "Correct Horse Battery Staple");
  EXPECT_EQ(Canonical("\u03c0\u00df\u00e5"), "\u03c0\u00df\u00e5");
  EXPECT_EQ(Canonical("Jack of \u2666s"), "Jack of \u2666s");
  EXPECT_EQ(Canonical("foo\u1680bar"), "foo bar");
  EXPECT_THAT(CanonicalPassword(""), HasCode(kInvalid));
  EXPECT_THAT(CanonicalPassword("my cat is a \x09 by"), HasCode(kInvalid));
}

TEST(CanonicalPasswordTest, EveryOtherSpaceBecomesASpace) {
  for (const char* space : {"\u00a0", "\u1680", "\u2000", "\u200a", "\u202f", "\u205f", "\u3000"}) {
    EXPECT_EQ(Canonical(std::string("a") + space + "b"), "a b") << absl::CHexEscape(space);
  }
}

TEST(CanonicalPasswordTest, ComposedAndDecomposedAreOnePassword) {
  EXPECT_EQ(Canonical("pa\u0308sswo\u0308rd"), "p\u00e4ssw\u00f6rd");
  EXPECT_EQ(Canonical("p\u00e4ssw\u00f6rd"), "p\u00e4ssw\u00f6rd");
  EXPECT_EQ(Canonical("\u1112\u1161\u11ab"), "\ud55c");
}

TEST(CanonicalPasswordTest, CaseWidthAndSpacesAtTheEndsCount) { EXPECT_EQ(Canonical(" Pass\uff21 "), " Pass\uff21 "); }

TEST(CanonicalPasswordTest, NothingIsCutAtANul) {
  EXPECT_THAT(CanonicalPassword(absl::string_view("abc\0def", 7)), HasCode(kInvalid));
  EXPECT_THAT(CanonicalPassword(absl::string_view("\0", 1)), HasCode(kInvalid));
}

TEST(CanonicalPasswordTest, ControlInvisibleAndUnassignedCharactersAreRefused) {
  for (const char* password :
       {"a\nb", "a\x7f", "a\u0085", "a\u00ad", "a\ufeff", "a\u202e", "a\ue000", "a\ufdd0", "a\U000e0041", "a\u0378",
        "a\u200d", "\u1112", "\u0628\u200c", "\u0628\u200ca", "a\u200c\u0628"}) {
    EXPECT_THAT(CanonicalPassword(password), HasCode(kInvalid)) << absl::CHexEscape(password);
  }
}

TEST(CanonicalPasswordTest, NonJoinerIsAllowedWhereItBreaksAJoin) {
  EXPECT_EQ(Canonical("\u0628\u200c\u0628"), "\u0628\u200c\u0628");
  EXPECT_EQ(Canonical("\u0628\u064b\u200c\u064b\u0628"), "\u0628\u064b\u200c\u064b\u0628");  // across marks
}

TEST(CanonicalPasswordTest, InvalidUtf8IsRefused) {
  for (const char* password : {"\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    EXPECT_THAT(CanonicalPassword(password), HasCode(kInvalid)) << absl::CHexEscape(password);
  }
}

TEST(CanonicalPasswordTest, SixtyFourCharactersOfFourBytesAreAccepted) {
  std::string password;
  for (int i = 0; i < 64; ++i) password += "\U0001f600";
  EXPECT_EQ(Canonical(password), password);
}

TEST(CanonicalPasswordTest, TheLongestHas1024BytesAsSent) {
  EXPECT_EQ(Canonical(std::string(1023, 'a')), std::string(1023, 'a'));
  EXPECT_EQ(Canonical(std::string(1024, 'a')), std::string(1024, 'a'));
  EXPECT_THAT(CanonicalPassword(std::string(1025, 'a')), HasCode(kInvalid));
}

TEST(CanonicalPasswordTest, FormThatGrowsIsNotCut) {
  std::string password;
  std::string composed;
  for (int i = 0; i < 1024 / 4; ++i) {
    password += "\U0001d160";  // its canonical form has three times its bytes
    composed += "\U0001d158\U0001d165\U0001d16e";
  }
  EXPECT_EQ(Canonical(password), composed);
}

TEST(CanonicalPasswordTest, SizeIsLookedAtBeforeAnythingElse) {
  const std::string megabyte(1'000'000, '\xff');
  EXPECT_EQ(CanonicalPassword(megabyte).status().message(), "a password must have at most 1024 bytes");
}

TEST(CanonicalPasswordTest, MessageDoesNotRepeatThePassword) {
  const auto refused = CanonicalPassword("hunter2\n");
  ASSERT_THAT(refused, HasCode(kInvalid));
  EXPECT_EQ(refused.status().message().find("hunter2"), absl::string_view::npos);
}

TEST(CheckNewPasswordTest, CharactersAreCountedNotBytes) {
  EXPECT_THAT(CheckNewPassword(Secret(std::string("\u00e4\u00e4\u00e4\U0001f600")), 4), IsOk());
  EXPECT_THAT(CheckNewPassword(Secret(std::string("\u00e4\u00e4\u00e4\U0001f600")), 5), HasCode(kInvalid));
  EXPECT_THAT(CheckNewPassword(Secret(std::string(14, 'a')), 15), HasCode(kInvalid));
  EXPECT_THAT(CheckNewPassword(Secret(std::string(15, 'a')), 15), IsOk());
  EXPECT_THAT(CheckNewPassword(Secret(std::string(16, 'a')), 15), IsOk());
}

bool IsCommon(absl::string_view password, absl::string_view username = "alice") {
  const absl::Status status = CheckNotCommon(Secret::CopyOf(password), username, "https://auth.bakery.example:8443/x");
  if (!status.ok()) {
    EXPECT_THAT(status, HasCode(kInvalid));
    EXPECT_EQ(status.message().find(password), absl::string_view::npos);
  }
  return !status.ok();
}

TEST(CheckNotCommonTest, LongPasswordsThatGuessersTryFirstAreRefused) {
  for (const char* password :
       {"passwordpassword", "Password12345678", "P@ssw0rdP@ssw0rd", "iloveyouiloveyou", "letmeinletmeinletmein",
        "qwertyuiopasdfghjkl", "123456789012345", "abcdefghijklmnop", "aaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaab",
        "monkeymonkeymonkey", "adminadminadmin1", "changemechangeme", "MyPassword2024!!", "liverpoolfootball"}) {
    EXPECT_TRUE(IsCommon(password)) << password;
  }
}

TEST(CheckNotCommonTest, NamesOfTheUserAndTheServiceDoNotMakeAPassword) {
  EXPECT_TRUE(IsCommon("alicealicealice"));
  EXPECT_TRUE(IsCommon("AliceAliceAlice1"));
  EXPECT_TRUE(IsCommon("WatchwordWatchword"));
  EXPECT_TRUE(IsCommon("bakerybakerybakery"));
  EXPECT_TRUE(IsCommon("auth.bakery.example"));
  EXPECT_TRUE(IsCommon("https://auth.bakery.example:8443/x"));
  EXPECT_TRUE(IsCommon("zq8vk.w3rtx@mail.example", "zq8vk.w3rtx@mail.example"));
  EXPECT_TRUE(IsCommon("ZQ8vk.w3rTX@mail.example", "zq8vk.w3rtx@mail.example"));
  EXPECT_TRUE(IsCommon("\u0416\u0423\u0420\u0410\u0412\u041b\u0415\u0412\u0410-\u0417\u041e\u042f",
                       "\u0436\u0443\u0440\u0430\u0432\u043b\u0435\u0432\u0430-\u0437\u043e\u044f"));  // in capitals
  EXPECT_FALSE(IsCommon("zq8vk.w3rtx@mail.example"));  // of somebody else
}

TEST(CheckNotCommonTest, NoKindsOfCharactersAreAskedFor) {
  for (const char* password : {"correct horse battery", "zkqvjxwmbpfhgtd", "739105826471935", "a name and alice in it",
                               "\u00e4\u00f6\u00fc stra\u00dfe f\u00e4hrt los",
                               "\U0001f600\U0001f680\U0001f34e\U0001f411\U0001f5ff\U0001f6b2\U0001f3b9\U0001f9f2"}) {
    EXPECT_FALSE(IsCommon(password)) << password;
  }
}

// The dearest inputs known: of one character, of leet letters that stand for several, of one key after the other.
TEST(CheckNotCommonTest, TheLongestPasswordsTakeNoLongerThanAHash) {
  for (const char* pattern : {"a", "1!l|iI", "4@($301!", "password", "qwerty", "1987", "\u0436"}) {
    std::string password;
    while (password.size() + 8 < kMaxPasswordSize) password += pattern;
    const std::clock_t before = std::clock();
    CheckNotCommon(Secret(password), std::string(255, 'a'), "https://auth.example").IgnoreError();
    EXPECT_LT(std::clock() - before, CLOCKS_PER_SEC / 2) << pattern;
  }
}

}  // namespace
}  // namespace watchword
