#include "server/domain/names.h"

#include <cstdlib>
#include <fstream>
#include <map>
#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "testing/status_matchers.h"

namespace watchword {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// What RFC 8265 makes of a pair of names.
enum class Pair { kOneAccount, kTwoAccounts, kFirstInvalid, kSecondInvalid, kBothInvalid };

const std::map<std::string, Pair>& ExpectedPairs() {
  using enum Pair;
  static const std::map<std::string, Pair> expected = {
      // Mapped to the same name: case, width, NFC.
      {"upper", kOneAccount},
      {"fullwidth", kOneAccount},
      {"kelvin", kOneAccount},
      {"angstrom", kOneAccount},
      {"hangul_nfd", kOneAccount},
      // Different letters, however alike a collation finds them.
      {"acute", kTwoAccounts},
      {"acute_nfd", kTwoAccounts},
      {"cyrillic_a", kTwoAccounts},
      {"dotless_i", kTwoAccounts},
      {"capital_dotted_I", kTwoAccounts},
      {"sharp_s_vs_ss", kTwoAccounts},
      {"ae", kTwoAccounts},
      {"sigma_final", kTwoAccounts},
      {"hiragana_katakana", kTwoAccounts},
      {"numeric_vs_string", kTwoAccounts},
      // Spaces and controls.
      {"trailing_space", kSecondInvalid},
      {"trailing_2space", kSecondInvalid},
      {"leading_space", kSecondInvalid},
      {"trailing_tab", kSecondInvalid},
      {"trailing_nul", kSecondInvalid},
      {"nbsp", kSecondInvalid},
      {"ctrl_01", kSecondInvalid},
      {"nel", kSecondInvalid},
      {"empty_vs_space", kBothInvalid},
      // Invisible, or only allowed in a context that is not there.
      {"zwj", kSecondInvalid},
      {"zwnj", kSecondInvalid},
      {"soft_hyphen", kSecondInvalid},
      {"bom", kSecondInvalid},
      {"rtl_override", kSecondInvalid},
      {"variation_selector", kSecondInvalid},
      {"combining_grapheme_joiner", kSecondInvalid},
      {"tag_char", kSecondInvalid},
      {"empty_vs_zwj", kBothInvalid},
      // Not characters, or not letters.
      {"noncharacter", kSecondInvalid},
      {"private_use", kSecondInvalid},
      {"unassigned_plane", kSecondInvalid},
      {"emoji_suffix", kSecondInvalid},
      {"two_emoji", kBothInvalid},
      {"two_emoji_b", kBothInvalid},
      // Compatibility forms other than width.
      {"math_bold", kSecondInvalid},
      {"circled", kSecondInvalid},
      {"ligature_ff", kFirstInvalid},
      {"superscript", kFirstInvalid},
      // Left-to-right letters with an Arabic digit: the bidi rule.
      {"arabic_digits", kFirstInvalid},
  };
  return expected;
}

Pair Judge(const absl::StatusOr<std::string>& a, const absl::StatusOr<std::string>& b) {
  if (!a.ok()) return b.ok() ? Pair::kFirstInvalid : Pair::kBothInvalid;
  if (!b.ok()) return Pair::kSecondInvalid;
  return *a == *b ? Pair::kOneAccount : Pair::kTwoAccounts;
}

TEST(CanonicalUsernameTest, PairsThatCollationsConfuseAreJudgedByRfc8265) {
  const char* folder = std::getenv("WATCHWORD_VECTORS");
  ASSERT_NE(folder, nullptr) << "set WATCHWORD_VECTORS to the folder of test vectors";
  std::ifstream file(std::string(folder) + "/username_collation_pairs.json");
  ASSERT_TRUE(file) << "no username_collation_pairs.json in " << folder;
  size_t judged = 0;
  const auto document = nlohmann::json::parse(file);
  for (const auto& pair : document["pairs"]) {
    const auto name = pair["name"].get<std::string>();
    const auto expected = ExpectedPairs().find(name);
    ASSERT_NE(expected, ExpectedPairs().end()) << name;
    const auto a = CanonicalUsername(absl::HexStringToBytes(pair["a_hex"].get<std::string>()));
    const auto b = CanonicalUsername(absl::HexStringToBytes(pair["b_hex"].get<std::string>()));
    EXPECT_EQ(Judge(a, b), expected->second) << name << ": " << a.status() << ", " << b.status();
    EXPECT_TRUE(a.ok() || absl::IsInvalidArgument(a.status())) << name;
    EXPECT_TRUE(b.ok() || absl::IsInvalidArgument(b.status())) << name;
    ++judged;
  }
  EXPECT_EQ(judged, ExpectedPairs().size());
}

struct Example {
  const char* name;
  const char* canonical;
};

class CanonicalNameTest : public testing::TestWithParam<Example> {};
void PrintTo(const Example& example, std::ostream* out) { *out << absl::CHexEscape(example.name); }

TEST_P(CanonicalNameTest, IsWhatTheRfcSaysAndStaysSo) {
  const auto canonical = CanonicalUsername(GetParam().name);
  ASSERT_THAT(canonical, IsOk()) << canonical.status();
  EXPECT_EQ(*canonical, GetParam().canonical);
  const auto again = CanonicalUsername(*canonical);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(*again, *canonical);
}

INSTANTIATE_TEST_SUITE_P(
    Names, CanonicalNameTest,
    testing::Values(
        // RFC 8265 section 3.5
        Example{"juliet@example.com", "juliet@example.com"}, Example{"fussball", "fussball"},
        Example{"fu\u00dfball", "fu\u00dfball"}, Example{"\u03c0", "\u03c0"}, Example{"\u03a3", "\u03c3"},
        Example{"\u03c3", "\u03c3"}, Example{"\u03c2", "\u03c2"},
        // All of visible ASCII
        Example{"!\"#$%&'()*+,-./0189:;<=>?@AMZ[\\]^_`amz{|}~", "!\"#$%&'()*+,-./0189:;<=>?@amz[\\]^_`amz{|}~"},
        // The sigma that ends a word
        Example{"\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2"},
        // Halfwidth katakana with its voiced sound mark; fullwidth letter with a combining accent
        Example{"\uff76\uff9e", "\u30ac"}, Example{"\uff21\u0301", "\u00e1"},
        // Hebrew and Arabic, with digits of one kind
        Example{"\u05d0\u05d1\u05d2", "\u05d0\u05d1\u05d2"}, Example{"\u0627\u0628\u0661", "\u0627\u0628\u0661"},
        Example{"\u05d01", "\u05d01"},
        // Characters that are right in their context only (RFC 5892 appendix A)
        Example{"l\u00b7l", "l\u00b7l"}, Example{"\u0375\u03b1", "\u0375\u03b1"},
        Example{"\u05d0\u05f3", "\u05d0\u05f3"}, Example{"\u30a2\u30fb\u30a2", "\u30a2\u30fb\u30a2"},
        Example{"\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"},
        Example{"\u0915\u094d\u200c\u0937", "\u0915\u094d\u200c\u0937"},
        Example{"\u0628\u200c\u0628", "\u0628\u200c\u0628"}));

class InvalidNameTest : public testing::TestWithParam<absl::string_view> {};

TEST_P(InvalidNameTest, IsRefused) { EXPECT_THAT(CanonicalUsername(GetParam()), HasCode(kInvalid)); }

INSTANTIATE_TEST_SUITE_P(Names, InvalidNameTest,
                         testing::Values(
                             // RFC 8265 section 3.5
                             "foo bar", "", "henry\u2163", "\u265a",
                             // Not UTF-8: stray, cut short, over-long, surrogate, beyond Unicode
                             "\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                             // NUL and other controls
                             absl::string_view("\0", 1), absl::string_view("a\0b", 3), "a\nb", "a\x7f",
                             // Characters out of their context
                             "l\u00b7a", "\u00b7l", "l\u00b7", "\u0375a", "\u03b1\u0375", "a\u05f3", "\u05f4",
                             "a\u30fba", "\u200c", "\u0628\u200c", "\u200d\u0937", "\u0627\u0661\u06f1",
                             // The bidi rule: mixed letters, digit first, neutral last, both kinds of digit
                             "a\u05d0", "\u05d0a", "\u05d0a\u05d0", "1\u05d0", "\u05d0-", "\u06271\u0661",
                             // Exceptions of RFC 8264 section 9.6, conjoining jamo, fullwidth space
                             "\u0640\u0627", "\u302e", "\u1112", "a\u3000"));

TEST(CanonicalUsernameTest, NameOf255BytesIsTheLongest) {
  EXPECT_THAT(CanonicalUsername(std::string(254, 'a')), IsOk());
  EXPECT_THAT(CanonicalUsername(std::string(255, 'a')), IsOk());
  EXPECT_THAT(CanonicalUsername(std::string(256, 'a')), HasCode(kInvalid));
  EXPECT_THAT(CanonicalUsername(std::string(1'000'000, 'a')), HasCode(kInvalid));
}

TEST(CanonicalUsernameTest, TheCanonicalFormIsWhatIsMeasured) {
  std::string wide;
  for (int i = 0; i < 255; ++i) wide += "\uff21";
  const auto canonical = CanonicalUsername(wide);
  ASSERT_THAT(canonical, IsOk());
  EXPECT_EQ(*canonical, std::string(255, 'a'));
  EXPECT_THAT(CanonicalUsername(wide + "a"), HasCode(kInvalid));
}

TEST(CanonicalUsernameTest, MessageNamesTheCharacter) {
  EXPECT_EQ(CanonicalUsername("a b").status().message(), "the character U+0020 is not allowed there in a user name");
}

TEST(CheckScopeTest, ScopeTokensOfRfc6749AreAccepted) {
  EXPECT_THAT(CheckScope("orders.write"), IsOk());
  EXPECT_THAT(CheckScope("!#[]~"), IsOk());
  EXPECT_THAT(CheckScope(std::string(255, 'a')), IsOk());
}

TEST(CheckScopeTest, OthersAreRefused) {
  for (const std::string& scope :
       {std::string(), std::string(256, 'a'), std::string("a b"), std::string("a\"b"), std::string("a\\b"),
        std::string("a\x7f"), std::string("a\0b", 3), std::string("\u00e9"), std::string("a\n")}) {
    EXPECT_THAT(CheckScope(scope), HasCode(kInvalid)) << absl::CHexEscape(scope);
  }
}

TEST(CheckAudienceTest, VisibleAsciiIsAccepted) {
  EXPECT_THAT(CheckAudience("https://orders.example.com/"), IsOk());
  EXPECT_THAT(CheckAudience("\"\\"), IsOk());
  EXPECT_THAT(CheckAudience(std::string(255, 'a')), IsOk());
}

TEST(CheckAudienceTest, OthersAreRefused) {
  for (const std::string& audience : {std::string(), std::string(256, 'a'), std::string("a b"), std::string("a\x7f"),
                                      std::string("a\0b", 3), std::string("\u00e9")}) {
    EXPECT_THAT(CheckAudience(audience), HasCode(kInvalid)) << absl::CHexEscape(audience);
  }
}

}  // namespace
}  // namespace watchword
