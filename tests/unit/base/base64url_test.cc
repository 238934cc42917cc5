#include "watchword/base/base64url.h"

#include <string>

#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace watchword {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(Base64UrlTest, VectorsOfRfc4648AreEncodedWithoutPadding) {
  EXPECT_EQ(Base64UrlEncode(""), "");
  EXPECT_EQ(Base64UrlEncode("f"), "Zg");
  EXPECT_EQ(Base64UrlEncode("fo"), "Zm8");
  EXPECT_EQ(Base64UrlEncode("foo"), "Zm9v");
  EXPECT_EQ(Base64UrlEncode("foob"), "Zm9vYg");
  EXPECT_EQ(Base64UrlEncode("\xfb\xff\xfe"), "-__-");
}

TEST(Base64UrlTest, EveryByteAndLengthComesBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes.push_back(static_cast<char>(i * 37));
    const auto decoded = Base64UrlDecode(Base64UrlEncode(bytes));
    ASSERT_THAT(decoded, IsOk());
    EXPECT_EQ(*decoded, bytes);
  }
}

TEST(Base64UrlTest, EveryByteStringHasOneEncodingOnly) {
  constexpr absl::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  int accepted = 0;
  for (const char last : kAlphabet) {
    const auto decoded = Base64UrlDecode(std::string("A") + last);
    if (decoded.ok()) {
      ++accepted;
      EXPECT_EQ(Base64UrlEncode(*decoded), std::string("A") + last);
    } else {
      EXPECT_THAT(decoded, HasCode(kInvalid));
    }
  }
  EXPECT_EQ(accepted, 4);  // two of its six bits are part of the byte
}

TEST(Base64UrlTest, PaddingIsRefused) {
  EXPECT_THAT(Base64UrlDecode("Zg=="), HasCode(kInvalid));
  EXPECT_THAT(Base64UrlDecode("Zm8="), HasCode(kInvalid));
}

TEST(Base64UrlTest, LengthThatNothingEncodesToIsRefused) {
  EXPECT_THAT(Base64UrlDecode("A"), HasCode(kInvalid));
  EXPECT_THAT(Base64UrlDecode("Zm9vY"), HasCode(kInvalid));
}

TEST(Base64UrlTest, EveryByteOutsideTheAlphabetIsRefusedAtEveryPlace) {
  constexpr absl::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (kAlphabet.find(c) != absl::string_view::npos) continue;
    for (size_t place = 0; place < 4; ++place) {
      std::string text = "AAAA";
      text[place] = c;
      EXPECT_THAT(Base64UrlDecode(text), HasCode(kInvalid)) << byte << " at " << place;
    }
  }
}

}  // namespace
}  // namespace watchword
