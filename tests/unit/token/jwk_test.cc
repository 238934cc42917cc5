#include "watchword/token/jwk.h"

#include <openssl/err.h>

#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/test_signer.h"
#include "watchword/base/base64url.h"

namespace watchword {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr Algorithm kAll[] = {Algorithm::kEs256, Algorithm::kEdDsa, Algorithm::kRs256};

json ToJson(const Jwk& jwk) {
  json key = json::object();
  const auto put = [&key](const char* name, const std::string& text) {
    if (!text.empty()) key[name] = text;
  };
  put("kty", jwk.kty);
  put("kid", jwk.kid);
  put("use", jwk.use);
  put("alg", jwk.alg);
  put("crv", jwk.crv);
  put("x", jwk.x);
  put("y", jwk.y);
  put("n", jwk.n);
  put("e", jwk.e);
  return key;
}

std::string Set(const std::vector<json>& keys) { return json{{"keys", keys}}.dump(); }

// Keys made once, since RSA keys take long.
const TestSigner& Signer(Algorithm algorithm) {
  static const TestSigner es256(Algorithm::kEs256, "es"), eddsa(Algorithm::kEdDsa, "ed"),
      rs256(Algorithm::kRs256, "rs");
  return algorithm == Algorithm::kEs256 ? es256 : algorithm == Algorithm::kEdDsa ? eddsa : rs256;
}

json Es() { return ToJson(Signer(Algorithm::kEs256).jwk()); }
json Ed() { return ToJson(Signer(Algorithm::kEdDsa).jwk()); }
json Rs() { return ToJson(Signer(Algorithm::kRs256).jwk()); }

json With(json key, const std::string& name, json value) {
  key[name] = std::move(value);
  return key;
}
json Without(json key, const std::string& name) {
  key.erase(name);
  return key;
}

// A set of a good key and `key` is refused whole.
void ExpectBad(const json& key) {
  const auto set = KeySet::Parse(Set({With(Es(), "kid", "good"), key}));
  EXPECT_THAT(set, HasCode(absl::StatusCode::kInvalidArgument)) << key;
}

// Of a set of a good key and `key`, only the first is kept.
void ExpectLeftOut(const json& key) {
  const auto set = KeySet::Parse(Set({With(Es(), "kid", "good"), key}));
  ASSERT_THAT(set, IsOk()) << key << set.status();
  EXPECT_EQ(set->size(), 1);
  EXPECT_NE(set->Find("good"), nullptr);
}

TEST(VerificationKeyTest, VerifiesWhatItsPrivateKeySignedAndNothingElse) {
  for (const Algorithm algorithm : kAll) {
    const TestSigner& signer = Signer(algorithm);
    const auto key = VerificationKey::FromJwk(signer.jwk());
    ASSERT_THAT(key, IsOk());
    EXPECT_EQ(key->algorithm(), algorithm);
    EXPECT_EQ(key->key_id(), signer.jwk().kid);
    const std::string signature = signer.SignBytes("message");
    EXPECT_TRUE(key->Verify("message", signature));
    EXPECT_TRUE(key->Verify("message", signature)) << "a key can be used again";
    EXPECT_FALSE(key->Verify("messag", signature));
    EXPECT_FALSE(key->Verify("message", ""));
    EXPECT_FALSE(key->Verify("message", signature + std::string(1, '\0')));
    EXPECT_FALSE(key->Verify("message", signature.substr(1)));
    EXPECT_FALSE(key->Verify("message", std::string(1, '\0') + signature));
    EXPECT_FALSE(key->Verify("message", TestSigner(Algorithm::kEs256).SignBytes("message")));
    EXPECT_TRUE(key->Verify("", signer.SignBytes("")));
  }
}

TEST(VerificationKeyTest, LeavesNoErrorsBehindForTheThreadsNextTlsCall) {
  ERR_clear_error();
  for (const Algorithm algorithm : kAll) {
    const auto key = VerificationKey::FromJwk(Signer(algorithm).jwk());
    ASSERT_THAT(key, IsOk());
    std::string signature = Signer(algorithm).SignBytes("message");
    EXPECT_FALSE(key->Verify("other", signature));
    EXPECT_FALSE(key->Verify("message", std::string(signature.size(), '\xff')));
  }
  Jwk off_curve = Signer(Algorithm::kEs256).jwk();
  off_curve.y = off_curve.x;
  EXPECT_FALSE(VerificationKey::FromJwk(off_curve).ok());
  EXPECT_EQ(ERR_peek_error(), 0);
}

TEST(VerificationKeyTest, ManyThreadsUseOneKeyAtOnce) {
  for (const Algorithm algorithm : kAll) {
    const auto key = VerificationKey::FromJwk(Signer(algorithm).jwk());
    ASSERT_THAT(key, IsOk());
    const std::string signature = Signer(algorithm).SignBytes("message");
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, copy = *key] {
        for (int j = 0; j < 50; ++j) {
          EXPECT_TRUE(copy.Verify("message", signature));
          EXPECT_FALSE(key->Verify("other", signature));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(VerificationKeyTest, EcdsaSignaturesOutOfRangeOrInAnotherFormAreRefused) {
  const TestSigner& signer = Signer(Algorithm::kEs256);
  const auto key = VerificationKey::FromJwk(signer.jwk());
  ASSERT_THAT(key, IsOk());
  const std::string good = signer.SignBytes("m");
  const std::string zero(32, '\0');
  const std::string order = Base64UrlDecode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE").value();
  ASSERT_EQ(order.size(), 32);
  for (const std::string& r : {zero, order, std::string(32, '\xff'), good.substr(0, 32)}) {
    for (const std::string& s : {zero, order, std::string(32, '\xff'), good.substr(32)}) {
      EXPECT_EQ(key->Verify("m", r + s), r + s == good);
    }
  }
  const std::string der = absl::StrCat("\x30\x44\x02\x20", good.substr(0, 32), "\x02\x20", good.substr(32));
  EXPECT_FALSE(key->Verify("m", der));
}

TEST(VerificationKeyTest, Ed25519SignatureWithTheOrderAddedIsRefused) {
  const TestSigner& signer = Signer(Algorithm::kEdDsa);
  const auto key = VerificationKey::FromJwk(signer.jwk());
  ASSERT_THAT(key, IsOk());
  std::string signature = signer.SignBytes("m");
  const std::string order = Base64UrlDecode("7dP1XBpjEljWnPei3vneFAAAAAAAAAAAAAAAAAAAABA").value();  // little endian
  ASSERT_EQ(order.size(), 32);
  ASSERT_TRUE(key->Verify("m", signature));
  int carry = 0;
  for (size_t i = 0; i < 32; ++i) {
    carry += static_cast<uint8_t>(signature[32 + i]) + static_cast<uint8_t>(order[i]);
    signature[32 + i] = static_cast<char>(carry);
    carry >>= 8;
  }
  EXPECT_FALSE(key->Verify("m", signature));
}

TEST(VerificationKeyTest, KeyIdIsOneTo255PrintableAsciiCharacters) {
  Jwk jwk = Signer(Algorithm::kEs256).jwk();
  for (const std::string& id : {std::string("k"), std::string(255, 'k'), std::string("a b~!")}) {
    jwk.kid = id;
    EXPECT_THAT(VerificationKey::FromJwk(jwk), IsOk()) << id;
  }
  for (const std::string& id : {std::string(), std::string(256, 'k'), std::string("a\n"), std::string(1, '\0'),
                                std::string("é"), std::string("\x7f")}) {
    jwk.kid = id;
    EXPECT_THAT(VerificationKey::FromJwk(jwk), HasCode(absl::StatusCode::kInvalidArgument));
  }
}

TEST(KeySetTest, TakesEveryKeyOfOursAndFindsItById) {
  const auto set = KeySet::Parse(Set({Es(), Ed(), Rs()}));
  ASSERT_THAT(set, IsOk());
  EXPECT_EQ(set->size(), 3);
  EXPECT_EQ(set->Find("es")->algorithm(), Algorithm::kEs256);
  EXPECT_EQ(set->Find("ed")->algorithm(), Algorithm::kEdDsa);
  EXPECT_EQ(set->Find("rs")->algorithm(), Algorithm::kRs256);
  EXPECT_EQ(set->Find("ES"), nullptr);
  EXPECT_EQ(set->Find(""), nullptr);
  EXPECT_TRUE(KeySet::Parse(R"({"keys":[]})")->empty());
  EXPECT_THAT(KeySet::Parse(R"({"keys":[],"x":1})"), IsOk()) << "other members are ignored (RFC 7517 section 5)";
}

TEST(KeySetTest, KnowsTheHeaderOfEachKeysTokensByHeart) {
  const TestSigner ec(Algorithm::kEs256, "ec"), ed(Algorithm::kEdDsa, "ed"), rsa(Algorithm::kRs256, "rsa");
  const KeySet keys = KeySet::FromJwks({ec.jwk(), ed.jwk(), rsa.jwk()}).value();
  for (const TestSigner* signer : {&ec, &ed, &rsa}) {
    const std::string* id = keys.FindByHeader(Base64UrlEncode(signer->Header()));
    ASSERT_NE(id, nullptr) << signer->Header();
    EXPECT_EQ(*id, signer->jwk().kid);
  }
  for (const char* other : {R"({"alg":"ES256","kid":"ed","typ":"at+jwt"})", R"({"alg":"ES256","kid":"ec"})",
                            R"({"alg":"ES256","kid":"ec","typ":"JWT"})", R"({"kid":"ec","alg":"ES256","typ":"at+jwt"})",
                            R"({"alg":"none","kid":"ec","typ":"at+jwt"})", ""}) {
    EXPECT_EQ(keys.FindByHeader(Base64UrlEncode(other)), nullptr) << other;
  }
}

// What would have to be escaped in JSON, or would end the string, is never known by heart.
TEST(KeySetTest, KnowsNoHeaderOfKeysWithUnusualIds) {
  for (const std::string id : {R"(a","alg":"none)", R"(a\b)", "a b"}) {
    Jwk jwk = TestSigner(Algorithm::kEs256).jwk();
    jwk.kid = id;
    const KeySet keys = KeySet::FromJwks({jwk}).value();
    const std::string naive = absl::StrCat(R"({"alg":"ES256","kid":")", id, R"(","typ":"at+jwt"})");
    EXPECT_EQ(keys.FindByHeader(Base64UrlEncode(naive)), nullptr) << id;
    EXPECT_NE(keys.Find(id), nullptr);
  }
}

TEST(KeySetTest, MissingAlgAndUseAreInferredFromTheKeyType) {
  for (json key : {Es(), Ed(), Rs()}) {
    key.erase("alg");
    key.erase("use");
    const auto set = KeySet::Parse(Set({key}));
    ASSERT_THAT(set, IsOk());
    EXPECT_EQ(set->size(), 1);
  }
}

TEST(KeySetTest, KeysThatAreNotForUsAreLeftOut) {
  ExpectLeftOut(With(Rs(), "use", "enc"));
  ExpectLeftOut(With(Without(Rs(), "use"), "key_ops", {"encrypt"}));
  ExpectLeftOut(With(Es(), "key_ops", json::array()));
  ExpectLeftOut(With(Rs(), "alg", "RS384"));
  ExpectLeftOut(With(Rs(), "alg", "PS256"));
  ExpectLeftOut(With(Rs(), "alg", "RSA-OAEP"));
  ExpectLeftOut({{"kty", "EC"}, {"kid", "k"}, {"crv", "P-384"}, {"alg", "ES384"}, {"x", "AA"}, {"y", "AA"}});
  ExpectLeftOut({{"kty", "EC"}, {"kid", "k"}, {"crv", "P-384"}, {"x", "AA"}, {"y", "AA"}});
  ExpectLeftOut({{"kty", "OKP"}, {"kid", "k"}, {"crv", "X25519"}, {"x", "AA"}});
  ExpectLeftOut({{"kty", "LATTICE"}, {"pub", "AA"}});
}

TEST(KeySetTest, KeyOpsThatIncludeVerifyAreTaken) {
  EXPECT_EQ(KeySet::Parse(Set({With(Es(), "key_ops", {"sign", "verify"})}))->size(), 1);
}

TEST(KeySetTest, PrivateOrSymmetricKeyRefusesTheSet) {
  ExpectBad(With(Es(), "d", "AAAA"));
  ExpectBad(With(Ed(), "d", "AAAA"));
  for (const char* name : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) ExpectBad(With(Rs(), name, "AQAB"));
  ExpectBad(With(With(Rs(), "use", "enc"), "d", "AQAB"));
  ExpectBad({{"kty", "oct"}, {"kid", "k"}, {"k", "AAAA"}});
  ExpectBad({{"kty", "oct"}, {"kid", "k"}});
}

TEST(KeySetTest, TwoKeysWithOneIdRefuseTheSet) {
  ExpectBad(With(Es(), "kid", "good"));
  ExpectBad(With(Ed(), "kid", "good"));
  ExpectBad(With(With(Rs(), "use", "enc"), "kid", "good"));
  EXPECT_THAT(KeySet::FromJwks({Signer(Algorithm::kEs256).jwk(), Signer(Algorithm::kEs256).jwk()}),
              HasCode(absl::StatusCode::kInvalidArgument));
}

TEST(KeySetTest, ContradictoryKeyRefusesTheSet) {
  ExpectBad(With(Es(), "crv", "P-384"));
  ExpectBad(With(Es(), "kty", "RSA"));
  ExpectBad(With(Rs(), "alg", "ES256"));
  ExpectBad(With(Ed(), "alg", "ES256"));
  ExpectBad(With(Ed(), "alg", "RS256"));
  ExpectBad(With(Ed(), "crv", "X25519"));
  ExpectBad(With(Es(), "alg", "EdDSA"));
  ExpectBad(With(Es(), "n", "AQAB"));
  ExpectBad(With(Rs(), "crv", "P-256"));
  ExpectBad(With(Ed(), "y", Es()["y"]));
}

TEST(KeySetTest, BadEcPointRefusesTheSet) {
  ExpectBad(With(Es(), "y", Es()["x"]));
  ExpectBad(With(With(Es(), "x", Base64UrlEncode(std::string(32, '\0'))), "y", Base64UrlEncode(std::string(32, '\0'))));
  ExpectBad(With(Es(), "x", Base64UrlEncode(std::string(32, '\xff'))));
  ExpectBad(With(Es(), "x", Base64UrlEncode(std::string(33, '\0'))));
  ExpectBad(With(Es(), "x", Base64UrlEncode(std::string(31, '\1'))));
  ExpectBad(With(Es(), "x", Es()["x"].get<std::string>() + "="));
  ExpectBad(Without(Es(), "y"));
  ExpectBad(Without(Es(), "crv"));
}

TEST(KeySetTest, Ed25519KeyOfAnotherSizeRefusesTheSet) {
  ExpectBad(With(Ed(), "x", Base64UrlEncode(std::string(31, '\1'))));
  ExpectBad(With(Ed(), "x", Base64UrlEncode(std::string(33, '\1'))));
  ExpectBad(Without(Ed(), "x"));
}

std::string Modulus(size_t bits) {
  std::string bytes((bits + 7) / 8, '\xff');
  if (bits % 8 != 0) bytes[0] = static_cast<char>((1 << bits % 8) - 1);
  return Base64UrlEncode(bytes);
}

TEST(KeySetTest, RsaKeyIsOf2048To8192Bits) {
  const auto accepted = [](const json& key) { return KeySet::Parse(Set({key})).ok(); };
  EXPECT_FALSE(accepted(With(Rs(), "n", Modulus(1024))));
  EXPECT_FALSE(accepted(With(Rs(), "n", Modulus(2047))));
  EXPECT_TRUE(accepted(With(Rs(), "n", Modulus(2048))));
  EXPECT_TRUE(accepted(With(Rs(), "n", Modulus(8192))));
  EXPECT_FALSE(accepted(With(Rs(), "n", Modulus(8193))));
  const std::string modulus = Base64UrlDecode(Rs()["n"].get<std::string>()).value();
  EXPECT_FALSE(accepted(With(Rs(), "n", Base64UrlEncode(std::string(1, '\0') + modulus)))) << "RFC 7518 section 2";
  EXPECT_FALSE(accepted(With(Rs(), "n", Base64UrlEncode(modulus.substr(0, 255) + "\x02")))) << "even";
}

TEST(KeySetTest, RsaExponentIsOddAndFrom3To32Bits) {
  const auto accepted = [](absl::string_view exponent) {
    return KeySet::Parse(Set({With(Rs(), "e", Base64UrlEncode(exponent))})).ok();
  };
  EXPECT_FALSE(accepted(absl::string_view("\0", 1)));
  EXPECT_FALSE(accepted("\x01"));
  EXPECT_FALSE(accepted("\x02"));
  EXPECT_TRUE(accepted("\x03"));
  EXPECT_FALSE(accepted("\x04"));
  EXPECT_TRUE(accepted("\xff\xff\xff\xff"));
  EXPECT_FALSE(accepted(absl::string_view("\x01\0\0\0\x01", 5)));
  EXPECT_FALSE(accepted(absl::string_view("\0\x03", 2)));
}

TEST(KeySetTest, MalformedKeyRefusesTheSet) {
  ExpectBad("text");
  ExpectBad(nullptr);
  ExpectBad(json::object());
  ExpectBad(Without(Es(), "kty"));
  ExpectBad(Without(Es(), "kid"));
  ExpectBad(With(Es(), "kid", 7));
  ExpectBad(With(Es(), "kid", ""));
  ExpectBad(With(Es(), "alg", nullptr));
  ExpectBad(With(Es(), "use", json::array({"sig"})));
  ExpectBad(With(Es(), "key_ops", "verify"));
  ExpectBad(With(Es(), "key_ops", {1}));
}

TEST(KeySetTest, OnlyAStrictJwkSetWithinTheLimitsIsRead) {
  for (const char* text : {"", "{}", "[]", R"({"keys":{}})", R"({"keys":null})", R"({"keys":[],"keys":[]})",
                           R"({"keys":[]} x)", R"({"keys":[{"kty":"EC","kty":"EC"}]})"}) {
    EXPECT_THAT(KeySet::Parse(text), HasCode(absl::StatusCode::kInvalidArgument)) << text;
  }
  EXPECT_THAT(KeySet::Parse(Es().dump()), HasCode(absl::StatusCode::kInvalidArgument)) << "one key is not a set";
  std::string large = R"({"keys":[]})";
  large += std::string(1024 * 1024 - large.size(), ' ');
  EXPECT_THAT(KeySet::Parse(large), IsOk());
  EXPECT_THAT(KeySet::Parse(large + " "), HasCode(absl::StatusCode::kInvalidArgument));
  const auto many = [](size_t count) { return Set(std::vector<json>(count, json{{"kty", "other"}})); };
  EXPECT_THAT(KeySet::Parse(many(1000)), IsOk());
  EXPECT_THAT(KeySet::Parse(many(1001)), HasCode(absl::StatusCode::kInvalidArgument));
}

TEST(KeySetTest, TheMessageNamesTheBadKeyOnOneLine) {
  EXPECT_THAT(std::string(KeySet::Parse(Set({With(Es(), "y", Es()["x"])})).status().message()),
              HasSubstr("key \"es\": the point is not on the curve"));
  EXPECT_THAT(std::string(KeySet::Parse(Set({With(Es(), "kid", "a\nb")})).status().message()),
              HasSubstr("key \"a\\nb\": "));
}

// The example of RFC 7638 section 3.1.
TEST(JwkThumbprintTest, IsThatOfTheRfc) {
  const Jwk jwk{
      .kty = "RSA",
      .kid = "2011-04-29",
      .alg = "RS256",
      .n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi"
           "FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9"
           "c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1j"
           "F44-csFCur-kEgU8awapJzKnqDKgw",
      .e = "AQAB"};
  EXPECT_EQ(JwkThumbprint(jwk), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

}  // namespace
}  // namespace watchword
