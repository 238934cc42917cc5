// Whatever is done to a good token, the result is not accepted.

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/test_signer.h"
#include "watchword/base/base64url.h"
#include "watchword/token/reasons.h"
#include "watchword/token/verifier.h"

namespace watchword {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

TokenVerifier Verifier() {
  TokenVerifier::Options options;
  options.issuer = std::string(kTestIssuer);
  options.audiences = {std::string(kTestAudience)};
  return TokenVerifier::Create(options).value();
}

class ForgeryTest : public testing::TestWithParam<Algorithm> {
 protected:
  bool Accepts(absl::string_view token) const {
    const auto credential = verifier_.Verify(token, keys_, kNow);
    EXPECT_TRUE(credential.ok() || ReasonOf(credential.status()) == kTokenInvalid) << credential.status();
    return credential.ok();
  }

  const TestSigner signer_{GetParam()};
  const KeySet keys_ = signer_.keys();
  const TokenVerifier verifier_ = Verifier();
  const std::string good_ = MintToken(signer_, GoodClaims(kNow));
};

INSTANTIATE_TEST_SUITE_P(Algorithms, ForgeryTest,
                         testing::Values(Algorithm::kEs256, Algorithm::kEdDsa, Algorithm::kRs256),
                         testing::PrintToStringParamName());

TEST_P(ForgeryTest, EverySingleBitFlipIsRefused) {
  ASSERT_TRUE(Accepts(good_));
  ASSERT_LT(good_.size(), 1024) << "an access token is under 1 KiB";
  std::string token = good_;
  for (size_t bit = 0; bit < token.size() * 8; ++bit) {
    token[bit / 8] = static_cast<char>(token[bit / 8] ^ 1 << bit % 8);
    ASSERT_FALSE(Accepts(token)) << "bit " << bit;
    token[bit / 8] = good_[bit / 8];
  }
}

TEST_P(ForgeryTest, EveryTruncationIsRefused) {
  for (size_t size = 0; size < good_.size(); ++size) {
    ASSERT_FALSE(Accepts(good_.substr(0, size))) << size;
    ASSERT_FALSE(Accepts(good_.substr(good_.size() - size))) << size;
  }
}

TEST_P(ForgeryTest, PartsOfTwoGoodTokensDoNotMakeAThird) {
  Claims claims = GoodClaims(kNow);
  claims.subject = "01890a5d-0000-7000-8000-000000000000";
  const std::string other = MintToken(signer_, claims);
  ASSERT_TRUE(Accepts(other));
  const std::vector<std::string> a = absl::StrSplit(good_, '.'), b = absl::StrSplit(other, '.');
  EXPECT_FALSE(Accepts(absl::StrCat(a[0], ".", a[1], ".", b[2])));
  EXPECT_FALSE(Accepts(absl::StrCat(a[0], ".", b[1], ".", a[2])));
  EXPECT_FALSE(Accepts(absl::StrCat(a[1], ".", a[0], ".", a[2])));
}

// One random change to the token: in its bytes, or in what its parts decode to.
std::string Mutate(const std::string& good, std::mt19937& random) {
  const auto pick = [&random](size_t below) { return random() % below; };
  const auto edit = [&](std::string text) {
    if (text.empty()) return std::string("x");
    const size_t at = pick(text.size());
    switch (pick(5)) {
      case 0:
        text[at] = static_cast<char>(pick(256));
        break;
      case 1:
        text.erase(at, 1 + pick(8));
        break;
      case 2:
        text.insert(at, 1 + pick(3), static_cast<char>(pick(256)));
        break;
      case 3:
        text.insert(at, text.substr(pick(text.size()), pick(32)));
        break;
      default:
        std::swap(text[at], text[pick(text.size())]);
    }
    return text;
  };
  if (pick(2) == 0) return edit(good);
  std::vector<std::string> parts = absl::StrSplit(good, '.');
  std::string& part = parts[pick(3)];
  part = Base64UrlEncode(edit(Base64UrlDecode(part).value()));
  return absl::StrJoin(parts, ".");
}

TEST_P(ForgeryTest, NoMutatedTokenIsAccepted) {
  std::mt19937 random(7'519);  // NOLINT(cert-msc51-cpp): the same tokens in every run
  int mutated = 0;
  for (int i = 0; i < 17'000; ++i) {
    const std::string token = Mutate(good_, random);
    ASSERT_EQ(Accepts(token), token == good_) << testing::PrintToString(token);
    if (token != good_) ++mutated;
  }
  EXPECT_GT(mutated, 15'000);
}

std::string Hmac(absl::string_view key, absl::string_view message) {
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()),
       message.size(), mac, &size);
  return std::string(reinterpret_cast<char*>(mac), size);
}

// The classic confusion: a public key is no secret, so an HMAC under it proves nothing.
TEST(HmacForgeryTest, MacUnderOurPublicKeyIsRefusedInWhateverForm) {
  const TestSigner signer(Algorithm::kEs256);
  const Jwk& jwk = signer.jwk();
  const std::string x = Base64UrlDecode(jwk.x).value(), y = Base64UrlDecode(jwk.y).value();
  const std::string der_head = absl::HexStringToBytes("3059301306072a8648ce3d020106082a8648ce3d030107034200");
  const std::string der = absl::StrCat(der_head, "\x04", x, y);
  std::string pem = absl::Base64Escape(der);
  pem = absl::StrCat("-----BEGIN PUBLIC KEY-----\n", pem.substr(0, 64), "\n", pem.substr(64),
                     "\n-----END PUBLIC KEY-----\n");
  const std::string json = nlohmann::json{{"crv", "P-256"}, {"kty", "EC"}, {"x", jwk.x}, {"y", jwk.y}}.dump();
  const std::string claims = ClaimsJson(GoodClaims(kNow));
  for (const std::string& key : {pem, der, json, x, jwk.x, absl::StrCat("\x04", x, y), std::string()}) {
    for (const char* alg : {"HS256", "ES256"}) {
      const std::string header = nlohmann::json{{"alg", alg}, {"kid", jwk.kid}, {"typ", "at+jwt"}}.dump();
      const std::string text = absl::StrCat(Base64UrlEncode(header), ".", Base64UrlEncode(claims));
      const std::string mac = Hmac(key, text);
      for (const std::string& signature : {mac, mac + mac}) {
        EXPECT_THAT(Verifier().Verify(absl::StrCat(text, ".", Base64UrlEncode(signature)), signer.keys(), kNow),
                    HasReason(kTokenInvalid));
      }
    }
  }
}

}  // namespace
}  // namespace watchword
