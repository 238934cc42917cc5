#include "server/crypto/session_secrets.h"

#include <limits>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "server/crypto/hmac.h"
#include "testing/status_matchers.h"
#include "watchword/base/testing/fake_random.h"
#include "watchword/token/opaque_token.h"

namespace watchword {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class SessionSecretsTest : public testing::Test {
 protected:
  Uuid NewUuid() { return *Uuid::NewV7(absl::FromUnixSeconds(1'800'000'000), random_); }

  FakeRandom random_;
  const Secret key_{std::string(32, 'k')};
  const Secret other_key_{std::string(32, 'j')};
  const RefreshToken token_{NewUuid(), 7};
};

TEST_F(SessionSecretsTest, RefreshTokenComesBack) {
  for (const int64_t generation :
       {int64_t{0}, int64_t{1}, int64_t{0x0102030405060708}, std::numeric_limits<int64_t>::max()}) {
    const auto parsed = ParseRefreshToken(FormatRefreshToken({token_.session_id, generation}, key_), key_);
    ASSERT_THAT(parsed, IsOk());
    EXPECT_EQ(parsed->session_id, token_.session_id);
    EXPECT_EQ(parsed->generation, generation);
  }
}

TEST_F(SessionSecretsTest, BindingOfARefreshTokenComesBackAndCannotBeChangedOrTakenOff) {
  const RefreshToken bound{token_.session_id, 7, std::string(32, 'c')};
  const std::string text = FormatRefreshToken(bound, key_);
  const auto parsed = ParseRefreshToken(text, key_);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->session_id, bound.session_id);
  EXPECT_EQ(parsed->generation, 7);
  EXPECT_EQ(parsed->certificate_sha256, bound.certificate_sha256);
  EXPECT_EQ(ParseRefreshToken(FormatRefreshToken(token_, key_), key_)->certificate_sha256, "");
  const std::string content = *ParseOpaqueToken(kRefreshTokenPrefix, 88, text);
  for (size_t bit = 0; bit < content.size() * 8; ++bit) {
    std::string forged = content;
    forged[bit / 8] = static_cast<char>(forged[bit / 8] ^ 1 << bit % 8);
    EXPECT_THAT(ParseRefreshToken(FormatOpaqueToken(kRefreshTokenPrefix, forged), key_), HasCode(kInvalid)) << bit;
  }
  const std::string unbound = content.substr(0, 24) + content.substr(56);
  EXPECT_THAT(ParseRefreshToken(FormatOpaqueToken(kRefreshTokenPrefix, unbound), key_), HasCode(kInvalid));
}

TEST_F(SessionSecretsTest, RefreshTokenIsDerivedNotDrawn) {
  EXPECT_EQ(FormatRefreshToken(token_, key_), FormatRefreshToken(token_, key_));
}

TEST_F(SessionSecretsTest, RefreshTokenHasItsDocumentedForm) {
  const std::string text = FormatRefreshToken(token_, key_);
  EXPECT_EQ(text.size(), 5 + 80);
  const auto content = ParseOpaqueToken(kRefreshTokenPrefix, 56, text);
  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->substr(0, 16), token_.session_id.bytes());
  EXPECT_EQ(content->substr(16, 8), std::string("\0\0\0\0\0\0\0\7", 8));
}

TEST_F(SessionSecretsTest, SessionsGenerationsAndKeysHaveDifferentTokens) {
  const std::set<std::string> tokens = {
      FormatRefreshToken(token_, key_),
      FormatRefreshToken({token_.session_id, 8}, key_),
      FormatRefreshToken({NewUuid(), 7}, key_),
      FormatRefreshToken(token_, other_key_),
  };
  EXPECT_EQ(tokens.size(), 4);
}

TEST_F(SessionSecretsTest, ForgedRefreshTokenWithRightChecksumIsRefused) {
  const auto content = ParseOpaqueToken(kRefreshTokenPrefix, 56, FormatRefreshToken(token_, key_));
  ASSERT_THAT(content, IsOk());
  for (size_t bit = 0; bit < content->size() * 8; ++bit) {
    std::string forged = *content;
    forged[bit / 8] = static_cast<char>(forged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_THAT(ParseRefreshToken(FormatOpaqueToken(kRefreshTokenPrefix, forged), key_), HasCode(kInvalid)) << bit;
  }
}

TEST_F(SessionSecretsTest, RefreshTokenUnderAnotherKeyIsRefused) {
  EXPECT_THAT(ParseRefreshToken(FormatRefreshToken(token_, other_key_), key_), HasCode(kInvalid));
}

TEST_F(SessionSecretsTest, MalformedAndForgedAreToldApartByNobody) {
  const absl::Status malformed = ParseRefreshToken("ww_r_", key_).status();
  EXPECT_THAT(malformed, HasCode(kInvalid));
  EXPECT_EQ(malformed, ParseRefreshToken(FormatRefreshToken(token_, other_key_), key_).status());
  EXPECT_EQ(malformed, ParseRefreshToken("", key_).status());
  EXPECT_EQ(malformed, ParseRefreshToken(FormatRefreshToken(token_, key_) + "A", key_).status());
}

TEST_F(SessionSecretsTest, SessionTokenIsNoRefreshToken) {
  const auto content = ParseOpaqueToken(kRefreshTokenPrefix, 56, FormatRefreshToken(token_, key_));
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(ParseRefreshToken(FormatOpaqueToken(kSessionTokenPrefix, *content), key_), HasCode(kInvalid));
}

TEST_F(SessionSecretsTest, BindingDependsOnEveryPart) {
  const Uuid principal = NewUuid();
  const std::string digest(32, 'd');
  const std::set<std::string> bindings = {
      SessionBinding(key_, token_.session_id, principal, digest),
      SessionBinding(key_, token_.session_id, principal, ""),
      SessionBinding(key_, token_.session_id, principal, std::string(32, 'e')),
      SessionBinding(key_, token_.session_id, NewUuid(), digest),
      SessionBinding(key_, NewUuid(), principal, digest),
      SessionBinding(key_, principal, token_.session_id, digest),
      SessionBinding(other_key_, token_.session_id, principal, digest),
  };
  EXPECT_EQ(bindings.size(), 7);
  for (const std::string& binding : bindings) EXPECT_EQ(binding.size(), 32);
  EXPECT_EQ(SessionBinding(key_, token_.session_id, principal, digest),
            SessionBinding(key_, token_.session_id, principal, digest));
}

// An authenticator of one purpose must not pass for another, whatever is authenticated: neither is the bare HMAC.
TEST_F(SessionSecretsTest, AuthenticatorsBelongToTheirPurpose) {
  const auto content = ParseOpaqueToken(kRefreshTokenPrefix, 56, FormatRefreshToken(token_, key_));
  ASSERT_THAT(content, IsOk());
  EXPECT_NE(content->substr(24), HmacSha256(key_, content->substr(0, 24)));
  const Uuid principal = NewUuid();
  EXPECT_NE(SessionBinding(key_, token_.session_id, principal, ""),
            HmacSha256(key_, std::string(token_.session_id.bytes()) + std::string(principal.bytes())));
}

}  // namespace
}  // namespace watchword
