#include "server/crypto/signing_key.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "watchword/base/base64url.h"
#include "watchword/token/opaque_token.h"

namespace watchword {
namespace {

using Code = absl::StatusCode;

class SigningKeyTest : public testing::TestWithParam<Algorithm> {
 protected:
  // One for all tests, as making an RSA key takes long.
  static const SigningKey& Key(Algorithm algorithm) {
    static const SigningKey ec = *SigningKey::Generate(Algorithm::kEs256);
    static const SigningKey ed = *SigningKey::Generate(Algorithm::kEdDsa);
    static const SigningKey rsa = *SigningKey::Generate(Algorithm::kRs256);
    return algorithm == Algorithm::kEs256 ? ec : algorithm == Algorithm::kEdDsa ? ed : rsa;
  }
};

std::string NameOf(const testing::TestParamInfo<Algorithm>& info) { return std::string(AlgorithmName(info.param)); }

INSTANTIATE_TEST_SUITE_P(Algorithms, SigningKeyTest,
                         testing::Values(Algorithm::kEs256, Algorithm::kEdDsa, Algorithm::kRs256), NameOf);

TEST_P(SigningKeyTest, WhatItSignsVerifiesUnderItsPublicKeyAndNothingElseDoes) {
  const SigningKey& key = Key(GetParam());
  EXPECT_EQ(key.algorithm(), GetParam());
  const auto verification_key = VerificationKey::FromJwk(key.public_jwk());
  ASSERT_THAT(verification_key, IsOk()) << verification_key.status();
  EXPECT_EQ(verification_key->algorithm(), GetParam());
  EXPECT_EQ(verification_key->key_id(), key.key_id());
  for (const std::string& message : {std::string(), std::string("message"), std::string(10'000, 'm')}) {
    const auto signature = key.Sign(message);
    ASSERT_THAT(signature, IsOk());
    EXPECT_TRUE(verification_key->Verify(message, *signature));
    EXPECT_FALSE(verification_key->Verify(message + "x", *signature));
  }
}

TEST_P(SigningKeyTest, SerializedKeyIsTheSameKey) {
  const SigningKey& key = Key(GetParam());
  const auto der = key.Serialize();
  ASSERT_THAT(der, IsOk());
  const auto again = SigningKey::Deserialize(GetParam(), *der);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->key_id(), key.key_id());
  const auto verification_key = VerificationKey::FromJwk(key.public_jwk());
  ASSERT_THAT(verification_key, IsOk());
  EXPECT_TRUE(verification_key->Verify("message", *again->Sign("message")));
}

TEST_P(SigningKeyTest, KeyOfAnotherAlgorithmIsRefused) {
  const auto der = Key(GetParam()).Serialize();
  ASSERT_THAT(der, IsOk());
  for (const Algorithm other : {Algorithm::kEs256, Algorithm::kEdDsa, Algorithm::kRs256}) {
    if (other == GetParam()) continue;
    EXPECT_THAT(SigningKey::Deserialize(other, *der), HasCode(Code::kFailedPrecondition));
  }
}

TEST_P(SigningKeyTest, DamagedKeyIsRefused) {
  const auto der = Key(GetParam()).Serialize();
  ASSERT_THAT(der, IsOk());
  const std::string bytes(der->Reveal());
  for (const std::string& damaged :
       {std::string(), std::string("x"), bytes.substr(1), bytes.substr(0, bytes.size() - 1), bytes + "x"}) {
    EXPECT_THAT(SigningKey::Deserialize(GetParam(), Secret(damaged)), HasCode(Code::kFailedPrecondition));
  }
}

TEST_P(SigningKeyTest, PublicKeyNamesItsUseAndHoldsNoPrivatePart) {
  const Jwk& jwk = Key(GetParam()).public_jwk();
  EXPECT_EQ(jwk.use, "sig");
  EXPECT_EQ(jwk.alg, AlgorithmName(GetParam()));
  EXPECT_EQ(jwk.kid, Key(GetParam()).key_id());
}

TEST_P(SigningKeyTest, ThreadsSignAtTheSameTime) {
  const SigningKey& key = Key(GetParam());
  const auto verification_key = VerificationKey::FromJwk(key.public_jwk());
  ASSERT_THAT(verification_key, IsOk());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&key, &verification_key, i] {
      for (int round = 0; round < 20; ++round) {
        const std::string message = std::to_string(i * 1000 + round);
        const auto signature = key.Sign(message);
        ASSERT_THAT(signature, IsOk());
        EXPECT_TRUE(verification_key->Verify(message, *signature));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(SigningKeyTest, SizesAreThoseOfRfc7518) {
  for (int i = 0; i < 300; ++i) EXPECT_EQ(Key(Algorithm::kEs256).Sign("message")->size(), 64);  // r or s may be short
  EXPECT_EQ(Key(Algorithm::kEdDsa).Sign("message")->size(), 64);
  EXPECT_EQ(Key(Algorithm::kRs256).Sign("message")->size(), 3072 / 8);
  EXPECT_EQ(Base64UrlDecode(Key(Algorithm::kRs256).public_jwk().n)->size(), 3072 / 8);
  EXPECT_EQ(Base64UrlDecode(Key(Algorithm::kEs256).public_jwk().x)->size(), 32);
  EXPECT_EQ(Base64UrlDecode(Key(Algorithm::kEs256).public_jwk().y)->size(), 32);
}

TEST_F(SigningKeyTest, NoIdOfAGeneratedKeyLooksLikeAnOption) {
  for (int i = 0; i < 500; ++i) EXPECT_NE(SigningKey::Generate(Algorithm::kEdDsa)->key_id().front(), '-');
}

TEST_F(SigningKeyTest, EachGeneratedKeyIsAnother) {
  EXPECT_NE(SigningKey::Generate(Algorithm::kEs256)->key_id(), SigningKey::Generate(Algorithm::kEs256)->key_id());
}

// RFC 7638 section 3.
TEST_F(SigningKeyTest, KeyIdIsTheThumbprint) {
  const Jwk& ec = Key(Algorithm::kEs256).public_jwk();
  EXPECT_EQ(ec.kid, Base64UrlEncode(Sha256(R"({"crv":"P-256","kty":"EC","x":")" + ec.x + R"(","y":")" + ec.y + "\"}")));
  const Jwk& rsa = Key(Algorithm::kRs256).public_jwk();
  EXPECT_EQ(rsa.kid, Base64UrlEncode(Sha256(R"({"e":"AQAB","kty":"RSA","n":")" + rsa.n + "\"}")));
}

// RFC 8037 appendices A.1 to A.4: key, thumbprint, signature.
TEST_F(SigningKeyTest, VectorsOfRfc8037) {
  const std::string pkcs8 = absl::HexStringToBytes("302e020100300506032b657004220420") +
                            *Base64UrlDecode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
  const auto key = SigningKey::Deserialize(Algorithm::kEdDsa, Secret(pkcs8));
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(key->public_jwk().x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
  EXPECT_EQ(key->key_id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
  const auto signature = key->Sign("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
  ASSERT_THAT(signature, IsOk());
  EXPECT_EQ(Base64UrlEncode(*signature),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
}

}  // namespace
}  // namespace watchword
