#include "watchword/token/opaque_token.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace watchword {
namespace {

std::string Content() {
  std::string content;
  for (int i = 0; i < 32; ++i) content.push_back(static_cast<char>(i * 7));
  return content;
}

TEST(OpaqueTokenTest, WhatWasFormattedParses) {
  const std::string text = FormatOpaqueToken(kSessionTokenPrefix, Content());
  EXPECT_EQ(text.size(), 5 + 48);
  EXPECT_EQ(text.substr(0, 5), "ww_s_");
  const auto content = ParseOpaqueToken(kSessionTokenPrefix, kSessionTokenContentSize, text);
  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*content, Content());
}

TEST(OpaqueTokenTest, SessionTokenTellsTheCertificateThatItIsBoundTo) {
  const std::string certificate(32, 'c');
  const auto unbound = ParseSessionToken(FormatOpaqueToken(kSessionTokenPrefix, Content()));
  ASSERT_THAT(unbound, IsOk());
  EXPECT_EQ(*unbound, "");
  const auto bound = ParseSessionToken(FormatOpaqueToken(kSessionTokenPrefix, Content() + certificate));
  ASSERT_THAT(bound, IsOk());
  EXPECT_EQ(*bound, certificate);
  EXPECT_FALSE(ParseSessionToken(FormatOpaqueToken(kSessionTokenPrefix, Content() + certificate.substr(1))).ok());
  EXPECT_FALSE(ParseSessionToken(FormatOpaqueToken(kRefreshTokenPrefix, Content())).ok());
  EXPECT_FALSE(ParseSessionToken("").ok());
}

TEST(OpaqueTokenTest, OtherContentSizesWork) {
  for (size_t size = 0; size < 64; ++size) {
    const std::string content(size, 'x');
    const auto parsed = ParseOpaqueToken("p_", size, FormatOpaqueToken("p_", content));
    ASSERT_THAT(parsed, IsOk());
    EXPECT_EQ(*parsed, content);
    EXPECT_FALSE(ParseOpaqueToken("p_", size + 1, FormatOpaqueToken("p_", content)).ok());
  }
}

TEST(OpaqueTokenTest, ChecksumTellsEveryWrongCharacter) {
  const std::string good = FormatOpaqueToken(kSessionTokenPrefix, Content());
  for (size_t i = 0; i < good.size(); ++i) {
    for (int c = 0; c < 256; ++c) {
      std::string text = good;
      text[i] = static_cast<char>(c);
      if (text == good) continue;
      EXPECT_THAT(ParseOpaqueToken(kSessionTokenPrefix, kSessionTokenContentSize, text),
                  HasCode(absl::StatusCode::kInvalidArgument));
    }
  }
}

TEST(OpaqueTokenTest, TruncatedExtendedAndForeignTextIsRefused) {
  const std::string good = FormatOpaqueToken(kSessionTokenPrefix, Content());
  const auto refused = [](absl::string_view text) {
    return !ParseOpaqueToken(kSessionTokenPrefix, kSessionTokenContentSize, text).ok();
  };
  for (size_t size = 0; size < good.size(); ++size) EXPECT_TRUE(refused(absl::string_view(good).substr(0, size)));
  EXPECT_TRUE(refused(good + "A"));
  EXPECT_TRUE(refused(good + "="));
  EXPECT_TRUE(refused(" " + good));
  EXPECT_TRUE(refused(good + "\n"));
  EXPECT_TRUE(refused(FormatOpaqueToken(kRefreshTokenPrefix, Content())));
  EXPECT_TRUE(refused(absl::StrCat(kSessionTokenPrefix, FormatOpaqueToken("ww_x_", Content()).substr(5))));
  EXPECT_TRUE(refused(std::string(1'000'000, 'A')));
}

TEST(OpaqueTokenTest, Sha256IsThatOfFips180) {
  EXPECT_EQ(absl::BytesToHexString(Sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(absl::BytesToHexString(Sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace watchword
