#include "watchword/token/verifier.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/test_signer.h"
#include "watchword/base/base64url.h"
#include "watchword/token/opaque_token.h"
#include "watchword/token/reasons.h"

namespace watchword {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr absl::Duration kTick = absl::Nanoseconds(1);

class VerifierTest : public testing::Test {
 protected:
  static TokenVerifier::Options Options() {
    TokenVerifier::Options options;
    options.issuer = std::string(kTestIssuer);
    options.audiences = {"other", std::string(kTestAudience)};
    return options;
  }

  absl::StatusOr<VerifiedCredential> Verify(absl::string_view token) { return verifier_.Verify(token, keys_, now_); }
  absl::StatusOr<VerifiedCredential> VerifyClaims(const json& claims) {
    return Verify(signer_.Sign(signer_.Header(), claims.dump()));
  }
  absl::StatusOr<VerifiedCredential> VerifyHeader(const json& header) {
    return Verify(signer_.Sign(header.dump(), good_.dump()));
  }
  absl::StatusOr<VerifiedCredential> VerifyClaim(const std::string& name, json value) {
    json claims = good_;
    claims[name] = std::move(value);
    return VerifyClaims(claims);
  }
  // The good claims with the text of one value replaced, for what nlohmann-json does not write.
  absl::StatusOr<VerifiedCredential> VerifyRaw(const std::string& name, absl::string_view value) {
    json claims = good_;
    claims[name] = "@@";
    return Verify(signer_.Sign(signer_.Header(), absl::StrReplaceAll(claims.dump(), {{"\"@@\"", value}})));
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  const TestSigner signer_{Algorithm::kEs256};
  const KeySet keys_ = signer_.keys();
  const json good_ = json::parse(ClaimsJson(GoodClaims(now_)));
  const json header_ = json::parse(signer_.Header());
  TokenVerifier verifier_ = TokenVerifier::Create(Options()).value();
};

TEST_F(VerifierTest, GoodTokenGivesItsClaims) {
  Claims claims = GoodClaims(now_);
  claims.username = "zoë";
  claims.not_before = now_;
  claims.certificate_sha256 = Sha256("certificate");
  claims.audiences = {"else", "orders"};
  const auto credential = Verify(MintToken(signer_, claims));
  ASSERT_THAT(credential, IsOk()) << credential.status();
  EXPECT_EQ(credential->key_id(), "test-key");
  EXPECT_EQ(credential->claims().issuer, kTestIssuer);
  EXPECT_EQ(credential->claims().subject, claims.subject);
  EXPECT_EQ(credential->claims().session_id, claims.session_id);
  EXPECT_EQ(credential->claims().token_id, claims.token_id);
  EXPECT_THAT(credential->claims().audiences, ElementsAre("else", "orders"));
  EXPECT_THAT(credential->claims().scopes, ElementsAre("orders.read", "orders.write"));
  EXPECT_EQ(credential->claims().issued_at, now_);
  EXPECT_EQ(credential->claims().not_before, now_);
  EXPECT_EQ(credential->claims().expires_at, now_ + absl::Minutes(5));
  EXPECT_EQ(credential->claims().username, "zoë");
  EXPECT_EQ(credential->claims().certificate_sha256, Sha256("certificate"));
  EXPECT_TRUE(credential->HasScope("orders.read"));
  EXPECT_FALSE(credential->HasScope("orders"));
}

TEST_F(VerifierTest, EveryAlgorithmWorks) {
  for (const Algorithm algorithm : {Algorithm::kEs256, Algorithm::kEdDsa, Algorithm::kRs256}) {
    const TestSigner signer(algorithm);
    EXPECT_THAT(verifier_.Verify(MintToken(signer, GoodClaims(now_)), signer.keys(), now_), IsOk());
  }
}

TEST_F(VerifierTest, TypIsRequiredInAnyCaseAndNothingElse) {
  for (const char* typ : {"at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"}) {
    json header = header_;
    header["typ"] = typ;
    EXPECT_THAT(VerifyHeader(header), IsOk()) << typ;
  }
  for (const json& typ :
       std::vector<json>{"JWT", "", "at+jwt ", "jwt", "text/at+jwt", "rt+jwt", nullptr, 1, {"at+jwt"}}) {
    json header = header_;
    header["typ"] = typ;
    EXPECT_THAT(VerifyHeader(header), HasReason(kTokenInvalid)) << typ;
  }
  json header = header_;
  header.erase("typ");
  EXPECT_THAT(VerifyHeader(header), HasReason(kTokenInvalid)) << "an ID token has no such typ";
}

TEST_F(VerifierTest, RefreshAndSessionTokensAreNotAccessTokens) {
  EXPECT_THAT(Verify(FormatOpaqueToken(kSessionTokenPrefix, std::string(32, 'x'))), HasReason(kTokenInvalid));
  EXPECT_THAT(Verify(FormatOpaqueToken(kRefreshTokenPrefix, std::string(56, 'x'))), HasReason(kTokenInvalid));
}

TEST_F(VerifierTest, AlgNoneIsRefusedInEverySpellingWithAndWithoutSignature) {
  for (const json& alg : std::vector<json>{"none", "None", "NONE", "nOnE", "", nullptr, 0, {"ES256"}, "es256"}) {
    json header = header_;
    header["alg"] = alg;
    const std::string token = signer_.Sign(header.dump(), good_.dump());
    EXPECT_THAT(Verify(token), HasReason(kTokenInvalid)) << alg;
    EXPECT_THAT(Verify(token.substr(0, token.rfind('.') + 1)), HasReason(kTokenInvalid)) << alg;
    EXPECT_THAT(Verify(token.substr(0, token.rfind('.'))), HasReason(kTokenInvalid)) << alg;
  }
}

TEST_F(VerifierTest, AlgorithmBelongsToTheKeyNotToTheToken) {
  const TestSigner rs256(Algorithm::kRs256);
  for (const char* alg : {"RS256", "EdDSA", "ES384", "HS256", "PS256"}) {
    json header = header_;
    header["alg"] = alg;
    const std::string payload = good_.dump();
    EXPECT_THAT(VerifyHeader(header), HasReason(kTokenInvalid)) << alg;
    EXPECT_THAT(Verify(rs256.Sign(header.dump(), payload)), HasReason(kTokenInvalid)) << "signed by another key";
  }
}

TEST_F(VerifierTest, CritAndB64AreRefusedWhateverTheySay) {
  for (const json& crit : std::vector<json>{json::array(), {"exp"}, {"b64"}, {"unknown"}, nullptr, "exp"}) {
    json header = header_;
    header["crit"] = crit;
    EXPECT_THAT(VerifyHeader(header), HasReason(kTokenInvalid)) << crit;
  }
  for (const bool b64 : {true, false}) {
    json header = header_;
    header["b64"] = b64;
    EXPECT_THAT(VerifyHeader(header), HasReason(kTokenInvalid));
  }
}

TEST_F(VerifierTest, KeysThatTheTokenBringsAlongAreRefused) {
  for (const char* name : {"jwk", "jku", "x5u", "x5c"}) {
    json header = header_;
    header[name] = "https://127.0.0.1:1/keys";
    EXPECT_THAT(VerifyHeader(header), HasReason(kTokenInvalid)) << name;
  }
  const TestSigner attacker(Algorithm::kEs256, "attacker");
  json header = json::parse(attacker.Header());
  header["jwk"] = {{"kty", "EC"}, {"crv", "P-256"}, {"x", attacker.jwk().x}, {"y", attacker.jwk().y}};
  EXPECT_THAT(Verify(attacker.Sign(header.dump(), good_.dump())), HasReason(kTokenInvalid));
}

TEST_F(VerifierTest, OtherHeaderMembersAreIgnored) {
  json header = header_;
  header["cty"] = "x";
  header["x5t"] = "AAAA";
  header["vendor"] = {{"a", {1, 2}}};
  EXPECT_THAT(VerifyHeader(header), IsOk());
}

TEST_F(VerifierTest, HeaderMayBeWrittenInAnotherWay) {
  const std::string same = absl::StrCat("{ \"typ\": \"at+jwt\", \"kid\": ", header_["kid"].dump(),
                                        ",\n \"alg\": ", header_["alg"].dump(), " }");
  EXPECT_THAT(verifier_.Verify(signer_.Sign(same, ClaimsJson(GoodClaims(now_))), signer_.keys(), now_), IsOk());
}

TEST_F(VerifierTest, KeyIdIsOnlyEverLookedUp) {
  for (const json& kid :
       std::vector<json>{"", "../../etc/passwd", "' OR 1=1 --", std::string(4096, 'k'), nullptr, 1,
                         std::string("test-key\0", 9), "TEST-KEY", "test-key ", json::array({"test-key"})}) {
    json header = header_;
    header["kid"] = kid;
    EXPECT_THAT(VerifyHeader(header), HasReason(kTokenInvalid)) << kid;
  }
  json header = header_;
  header.erase("kid");
  EXPECT_THAT(VerifyHeader(header), HasReason(kTokenInvalid));
}

TEST_F(VerifierTest, SameKeyIdOfAnotherEnvironmentIsRefused) {
  const TestSigner other(Algorithm::kEs256);
  EXPECT_THAT(Verify(MintToken(other, GoodClaims(now_))), HasReason(kTokenInvalid));
  EXPECT_THAT(verifier_.Verify(MintToken(signer_, GoodClaims(now_)), KeySet(), now_), HasReason(kTokenInvalid));
}

TEST_F(VerifierTest, BeforeTheSignatureIsVerifiedTheDetailTellsNothingAboutKeys) {
  const std::string good = MintToken(signer_, GoodClaims(now_));
  json unknown_kid = header_, other_alg = header_;
  unknown_kid["kid"] = "unknown";
  other_alg["alg"] = "RS256";
  const std::string message = "TOKEN_INVALID: not signed by a trusted key";
  EXPECT_EQ(VerifyHeader(unknown_kid).status().message(), message);
  EXPECT_EQ(VerifyHeader(other_alg).status().message(), message);
  EXPECT_EQ(Verify(MintToken(TestSigner(Algorithm::kEs256), GoodClaims(now_))).status().message(), message);
  EXPECT_EQ(Verify(good.substr(0, good.size() - 4)).status().message(), message);
  Claims expired = GoodClaims(now_ - absl::Hours(1));
  EXPECT_EQ(Verify(MintToken(TestSigner(Algorithm::kEs256), expired)).status().message(), message);
}

TEST_F(VerifierTest, NonCanonicalBase64IsRefused) {
  const std::string good = MintToken(signer_, GoodClaims(now_));
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string unused_bits = good;  // 64 bytes leave four unused bits in the last character
  unused_bits.back() = alphabet[alphabet.find(good.back()) + 1];
  EXPECT_THAT(Verify(unused_bits), HasReason(kTokenInvalid));
  for (const char* added : {"=", "==", " ", "\n", "\r\n", "+", "/", "\t", "%3D"}) {
    EXPECT_THAT(Verify(good + added), HasReason(kTokenInvalid));
    EXPECT_THAT(Verify(added + good), HasReason(kTokenInvalid));
    EXPECT_THAT(Verify(absl::StrReplaceAll(good, {{".", absl::StrCat(added, ".")}})), HasReason(kTokenInvalid));
  }
}

TEST_F(VerifierTest, SignedButMalformedPartsAreRefused) {
  const auto sign_text = [this](absl::string_view header, absl::string_view payload) {
    const std::string message = absl::StrCat(header, ".", payload);
    return absl::StrCat(message, ".", Base64UrlEncode(signer_.SignBytes(message)));
  };
  const std::string header = Base64UrlEncode(signer_.Header());
  const std::string payload = Base64UrlEncode(good_.dump());
  EXPECT_THAT(Verify(sign_text(header, payload)), IsOk());
  EXPECT_THAT(Verify(sign_text(header, payload + "=")), HasReason(kTokenInvalid));
  EXPECT_THAT(Verify(sign_text(header + "=", payload)), HasReason(kTokenInvalid));
  EXPECT_THAT(Verify(sign_text(header + "\n", payload)), HasReason(kTokenInvalid));
  EXPECT_THAT(Verify(sign_text(header, "")), HasReason(kTokenInvalid));
  EXPECT_THAT(Verify(sign_text(header, good_.dump())), HasReason(kTokenInvalid)) << "unencoded payload";
}

TEST_F(VerifierTest, ThreePartsExactly) {
  const std::string good = MintToken(signer_, GoodClaims(now_));
  for (const std::string& token : {std::string(), std::string("."), std::string(".."), std::string("..."), good + ".",
                                   "." + good, good + ".AA", good.substr(0, good.rfind('.')), std::string("x")}) {
    EXPECT_THAT(Verify(token), HasReason(kTokenInvalid)) << token;
    EXPECT_THAT(VerifySignatureOnly(token, keys_), HasReason(kTokenInvalid)) << token;
  }
}

TEST_F(VerifierTest, TokenLargerThan8KibIsRefusedUnread) {
  const auto token_of = [this](size_t size) {
    json claims = good_;
    std::string token;
    for (size_t spaces = 0; spaces < 3; ++spaces) {  // since no base64url text has a length of 4n + 1
      token.clear();
      for (size_t padding = (size - 700) * 3 / 4; token.size() < size; ++padding) {
        claims["padding"] = std::string(padding, 'x');
        token = signer_.Sign(signer_.Header() + std::string(spaces, ' '), claims.dump());
      }
      if (token.size() == size) break;
    }
    return token;
  };
  const std::string largest = token_of(kMaxCredentialSize);
  ASSERT_EQ(largest.size(), kMaxCredentialSize);
  EXPECT_THAT(Verify(largest), IsOk());
  const std::string larger = token_of(kMaxCredentialSize + 1);
  ASSERT_EQ(larger.size(), kMaxCredentialSize + 1);
  EXPECT_EQ(Verify(larger).status().message(), "TOKEN_INVALID: too large");
  EXPECT_EQ(VerifySignatureOnly(larger, keys_).status().message(), "TOKEN_INVALID: too large");
  EXPECT_THAT(Verify(std::string(65'536, '.')), HasReason(kTokenInvalid));
  EXPECT_THAT(Verify(std::string(1'048'576, 'A')), HasReason(kTokenInvalid));
}

TEST_F(VerifierTest, DuplicateNamesInHeaderOrPayloadAreRefused) {
  const auto sign = [this](const std::string& header_extra, const std::string& payload_extra) {
    const std::string header = signer_.Header(), payload = good_.dump();
    return signer_.Sign("{" + header_extra + header.substr(1), "{" + payload_extra + payload.substr(1));
  };
  EXPECT_THAT(Verify(sign("", "")), IsOk());
  EXPECT_THAT(Verify(sign("", "\"x\":1,")), IsOk());
  for (const char* twice : {"\"alg\":\"ES256\",", "\"\\u0061lg\":\"ES256\",", "\"kid\":\"test-key\","}) {
    EXPECT_THAT(Verify(sign(twice, "")), HasReason(kTokenInvalid)) << twice;
  }
  for (const char* twice :
       {"\"sub\":\"admin\",", "\"s\\u0075b\":\"admin\",", "\"exp\":9999999999,", "\"\\u0065xp\":1,"}) {
    EXPECT_THAT(Verify(sign("", twice)), HasReason(kTokenInvalid)) << twice;
  }
}

TEST_F(VerifierTest, DeepNestingIsRefused) {
  for (const size_t depth : {64u, 1000u, 2900u}) {
    const std::string deep = std::string(depth, '[') + std::string(depth, ']');
    EXPECT_THAT(VerifyRaw("x", deep), HasReason(kTokenInvalid)) << depth;
    const std::string header = signer_.Header();
    EXPECT_THAT(Verify(signer_.Sign("{\"x\":" + deep + "," + header.substr(1), "{}")), HasReason(kTokenInvalid));
  }
  EXPECT_THAT(VerifyRaw("x", "[[[[[[1]]]]]]"), IsOk());
}

TEST_F(VerifierTest, TimesAreFinitePositiveJsonNumbers) {
  for (const char* name : {"exp", "iat", "nbf"}) {
    for (const char* value : {"1e400", "NaN", "\"1700000100\"", "9223372036854775808", "18446744073709551616", "-1",
                              "-0", "0", "-1700000100", "0x6553f100", "01700000100", "1e300", "null", "true",
                              "[1700000100]", "{}", "\"\"", "-1e400", "253402300800"}) {
      EXPECT_THAT(VerifyRaw(name, value), HasReason(kTokenInvalid)) << name << " " << value;
    }
  }
  EXPECT_THAT(VerifyRaw("exp", "1700000100.5"), IsOk());
  EXPECT_THAT(VerifyRaw("exp", "1.7000001e9"), IsOk());
  EXPECT_THAT(VerifyRaw("iat", "1699999999.25"), IsOk());
  EXPECT_EQ(VerifyRaw("exp", "1700000100.5")->claims().expires_at, now_ + absl::Milliseconds(100'500));
}

TEST_F(VerifierTest, TokenIsExpiredExactlyAtExpPlusLeeway) {
  const std::string token = MintToken(signer_, GoodClaims(now_));
  const absl::Time end = now_ + absl::Minutes(5) + absl::Seconds(30);
  EXPECT_THAT(verifier_.Verify(token, keys_, end - kTick), IsOk());
  EXPECT_THAT(verifier_.Verify(token, keys_, end), HasReason(kTokenExpired));
  EXPECT_THAT(verifier_.Verify(token, keys_, end), HasCode(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(verifier_.Verify(token, keys_, end + absl::Hours(9)), HasReason(kTokenExpired));
  TokenVerifier::Options options = Options();
  options.leeway = absl::ZeroDuration();
  const TokenVerifier exact = TokenVerifier::Create(options).value();
  EXPECT_THAT(exact.Verify(token, keys_, now_ + absl::Minutes(5) - kTick), IsOk());
  EXPECT_THAT(exact.Verify(token, keys_, now_ + absl::Minutes(5)), HasReason(kTokenExpired));
}

TEST_F(VerifierTest, TokenIsNotAcceptedBeforeItsTimeMinusLeeway) {
  Claims claims = GoodClaims(now_);
  const std::string by_iat = MintToken(signer_, claims);
  claims.not_before = now_ + absl::Seconds(60);
  const std::string by_nbf = MintToken(signer_, claims);
  EXPECT_THAT(verifier_.Verify(by_iat, keys_, now_ - absl::Seconds(30)), IsOk());
  EXPECT_THAT(verifier_.Verify(by_iat, keys_, now_ - absl::Seconds(30) - kTick), HasReason(kTokenInvalid));
  EXPECT_THAT(verifier_.Verify(by_nbf, keys_, now_ + absl::Seconds(30)), IsOk());
  EXPECT_THAT(verifier_.Verify(by_nbf, keys_, now_ + absl::Seconds(30) - kTick), HasReason(kTokenInvalid));
}

TEST_F(VerifierTest, LifetimeIsPositiveAndWithinTheMaximum) {
  const int64_t now = absl::ToUnixSeconds(now_);
  EXPECT_THAT(VerifyClaim("exp", now + 3600), IsOk());
  EXPECT_THAT(VerifyRaw("exp", absl::StrCat(now + 3600, ".001")), HasReason(kTokenInvalid));
  EXPECT_THAT(VerifyClaim("exp", now + 3601), HasReason(kTokenInvalid));
  EXPECT_THAT(VerifyClaim("exp", now), HasReason(kTokenInvalid)) << "no lifetime at all";
  EXPECT_THAT(VerifyClaim("exp", now - 1), HasReason(kTokenInvalid)) << "forged, not expired";
}

TEST_F(VerifierTest, CheckTimesJudgesTimesOnly) {
  Claims claims = GoodClaims(now_);
  claims.issuer = "another";
  const absl::Time end = claims.expires_at + absl::Seconds(30);
  EXPECT_THAT(verifier_.CheckTimes(claims, now_), IsOk());
  EXPECT_THAT(verifier_.CheckTimes(claims, end - kTick), IsOk());
  EXPECT_THAT(verifier_.CheckTimes(claims, end), HasReason(kTokenExpired));
  EXPECT_THAT(verifier_.CheckTimes(claims, now_ - absl::Seconds(30) - kTick), HasReason(kTokenInvalid));
  claims.not_before = now_ + absl::Seconds(31);
  EXPECT_THAT(verifier_.CheckTimes(claims, now_), HasReason(kTokenInvalid));
}

TEST_F(VerifierTest, VerifyEvenIfExpiredForgivesExpiryAndNothingElse) {
  const std::string token = MintToken(signer_, GoodClaims(now_));
  EXPECT_THAT(verifier_.VerifyEvenIfExpired(token, keys_, now_ + absl::Hours(24 * 365)), IsOk());
  EXPECT_THAT(verifier_.VerifyEvenIfExpired(token, keys_, now_ - absl::Hours(1)), HasReason(kTokenInvalid));
  EXPECT_THAT(verifier_.VerifyEvenIfExpired(token, KeySet(), now_), HasReason(kTokenInvalid));
  Claims claims = GoodClaims(now_);
  claims.issuer = "another";
  EXPECT_THAT(verifier_.VerifyEvenIfExpired(MintToken(signer_, claims), keys_, now_), HasReason(kTokenInvalid));
}

TEST_F(VerifierTest, OnlyATokenThatIsOtherwiseRightIsReportedAsExpired) {
  const absl::Time late = now_ + absl::Hours(2);
  const auto reason_with = [&](const std::string& name, json value) {
    json claims = good_;
    claims[name] = std::move(value);
    return ReasonOf(verifier_.Verify(signer_.Sign(signer_.Header(), claims.dump()), keys_, late).status());
  };
  EXPECT_EQ(reason_with("other", 1), kTokenExpired);
  EXPECT_EQ(reason_with("iss", "https://another"), kTokenInvalid);
  EXPECT_EQ(reason_with("aud", "another"), kTokenInvalid);
  EXPECT_EQ(reason_with("sub", ""), kTokenInvalid);
  EXPECT_EQ(reason_with("exp", absl::ToUnixSeconds(now_) + 4000), kTokenInvalid);
  EXPECT_EQ(reason_with("cnf", 1), kTokenInvalid);
}

TEST_F(VerifierTest, IssuerIsComparedByteByByte) {
  const std::string issuer(kTestIssuer);
  for (const json& iss : std::vector<json>{issuer + "/",
                                           issuer.substr(0, issuer.size() - 1),
                                           "HTTPS://issuer.test",
                                           "",
                                           {issuer},
                                           nullptr,
                                           1,
                                           issuer + std::string(1, '\0')}) {
    EXPECT_THAT(VerifyClaim("iss", iss), HasReason(kTokenInvalid)) << iss;
  }
}

TEST_F(VerifierTest, AudienceIsATextOrAListOfTextsWithOneOfOurs) {
  for (const json& aud : std::vector<json>{"orders", "other", {"orders"}, {"x", "orders"}}) {
    EXPECT_THAT(VerifyClaim("aud", aud), IsOk()) << aud;
  }
  for (const json& aud : std::vector<json>{json::array({json::array({"orders"})}),
                                           {{"orders", 1}},
                                           "x,orders",
                                           "orders,x",
                                           "order",
                                           "orders2",
                                           "ORDERS",
                                           "",
                                           json::array(),
                                           {"orders", ""},
                                           {"orders", 1},
                                           {1},
                                           nullptr,
                                           1,
                                           true,
                                           {"x"}}) {
    EXPECT_THAT(VerifyClaim("aud", aud), HasReason(kTokenInvalid)) << aud;
  }
}

TEST_F(VerifierTest, IdsAreTextsOf1To255BytesWithoutControlCharacters) {
  for (const char* name : {"sub", "sid", "jti"}) {
    EXPECT_THAT(VerifyClaim(name, "x"), IsOk());
    EXPECT_THAT(VerifyClaim(name, std::string(255, 'x')), IsOk());
    EXPECT_THAT(VerifyClaim(name, "zoë 😀"), IsOk());
    for (const json& id : std::vector<json>{"",
                                            std::string(256, 'x'),
                                            "a\nb",
                                            "a\tb",
                                            std::string("a\0b", 3),
                                            "\x7f",
                                            "a\xc2\x85",
                                            nullptr,
                                            1,
                                            {"x"},
                                            json::object()}) {
      EXPECT_THAT(VerifyClaim(name, id), HasReason(kTokenInvalid)) << name << id;
    }
  }
}

TEST_F(VerifierTest, RequiredClaimsAreRequired) {
  for (const char* name : {"iss", "sub", "aud", "exp", "iat", "jti", "sid"}) {
    json claims = good_;
    claims.erase(name);
    const auto result = VerifyClaims(claims);
    EXPECT_THAT(result, HasReason(kTokenInvalid));
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(name));
  }
  json claims = good_;
  claims.erase("scope");
  EXPECT_TRUE(VerifyClaims(claims)->claims().scopes.empty());
}

TEST_F(VerifierTest, OptionalClaimsOfAnotherFormAreRefused) {
  for (const char* name : {"scope", "preferred_username"}) {
    for (const json& value : std::vector<json>{1, nullptr, {"a"}, true}) {
      EXPECT_THAT(VerifyClaim(name, value), HasReason(kTokenInvalid)) << name << value;
    }
  }
  EXPECT_THAT(VerifyClaim("scope", " a  b ")->claims().scopes, ElementsAre("a", "b"));
}

TEST_F(VerifierTest, ConfirmationThatCannotBeCheckedIsRefused) {
  const std::string thumbprint = Base64UrlEncode(Sha256("x"));
  EXPECT_THAT(VerifyClaim("cnf", {{"x5t#S256", thumbprint}}), IsOk());
  for (const json& cnf : std::vector<json>{json::object(),
                                           {{"jkt", thumbprint}},
                                           thumbprint,
                                           nullptr,
                                           {{"x5t#S256", thumbprint}, {"jkt", thumbprint}},
                                           {{"x5t#S256", ""}},
                                           {{"x5t#S256", thumbprint + "="}},
                                           {{"x5t#S256", 1}},
                                           {{"x5t#S256", Base64UrlEncode(std::string(31, 'x'))}},
                                           {{"x5t#S256", Base64UrlEncode(std::string(33, 'x'))}}}) {
    EXPECT_THAT(VerifyClaim("cnf", cnf), HasReason(kTokenInvalid)) << cnf;
  }
}

TEST_F(VerifierTest, WhoActsForThePrincipalIsTold) {
  EXPECT_EQ(VerifyClaim("act", {{"sub", "batch"}, {"act", {{"sub", "older"}}}})->claims().actor, "batch");
  for (const json& act : std::vector<json>{json::object(),
                                           "batch",
                                           nullptr,
                                           {{"sub", ""}},
                                           {{"sub", 1}},
                                           {{"sub", std::string(256, 'x')}},
                                           {{"sub", "a\nb"}}}) {
    EXPECT_THAT(VerifyClaim("act", act), HasReason(kTokenInvalid)) << act;
  }
}

TEST_F(VerifierTest, SignatureOnlyTakesAnyPayloadAndType) {
  for (const absl::string_view payload :
       {absl::string_view(""), absl::string_view("\0\xff", 2), absl::string_view("[1")}) {
    const auto taken = VerifySignatureOnly(signer_.Sign(R"({"alg":"ES256","kid":"test-key"})", payload), keys_);
    ASSERT_THAT(taken, IsOk());
    EXPECT_EQ(*taken, payload);
  }
  EXPECT_THAT(VerifySignatureOnly(signer_.Sign(R"({"alg":"ES256"})", ""), keys_), HasReason(kTokenInvalid));
  EXPECT_THAT(VerifySignatureOnly(signer_.Sign(R"({"alg":"ES256","kid":"test-key","crit":[]})", ""), keys_),
              HasReason(kTokenInvalid));
}

TEST_F(VerifierTest, MissingIssuerOrAudienceIsAConfigurationError) {
  const auto refused = [](auto change) {
    TokenVerifier::Options options = Options();
    change(options);
    return TokenVerifier::Create(options).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_TRUE(refused([](auto& options) { options.issuer = ""; }));
  EXPECT_TRUE(refused([](auto& options) { options.audiences = {}; }));
  EXPECT_TRUE(refused([](auto& options) { options.audiences = {"a", ""}; }));
  EXPECT_TRUE(refused([](auto& options) { options.leeway = -kTick; }));
  EXPECT_FALSE(refused([](auto& options) { options.leeway = absl::Seconds(120); }));
  EXPECT_TRUE(refused([](auto& options) { options.leeway = absl::Seconds(120) + kTick; }));
  EXPECT_TRUE(refused([](auto& options) { options.max_lifetime = absl::ZeroDuration(); }));
}

TEST_F(VerifierTest, AnyIssuerAndAudienceAreAcceptedOnlyWhenAskedFor) {
  TokenVerifier::Options options;
  options.any_issuer = true;
  options.any_audience = true;
  const TokenVerifier any = TokenVerifier::Create(options).value();
  Claims claims = GoodClaims(now_);
  claims.issuer = "another";
  claims.audiences = {"another"};
  const std::string token = MintToken(signer_, claims);
  EXPECT_THAT(any.Verify(token, keys_, now_), IsOk());
  EXPECT_THAT(Verify(token), HasReason(kTokenInvalid));
}

}  // namespace
}  // namespace watchword
