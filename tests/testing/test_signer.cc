#include "testing/test_signer.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "watchword/base/base64url.h"

namespace watchword {
namespace {

const unsigned char* Bytes(absl::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

void Require(bool ok) {
  if (!ok) std::abort();
}

EVP_PKEY* Generate(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kEs256:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
    case Algorithm::kEdDsa:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    case Algorithm::kRs256:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048});
  }
  return nullptr;
}

// A number parameter of the key in base64url, of `size` bytes or, if 0, as few as it takes.
std::string Number(EVP_PKEY* key, const char* name, int size = 0) {
  BIGNUM* number = nullptr;
  Require(EVP_PKEY_get_bn_param(key, name, &number) == 1);
  std::string bytes(static_cast<size_t>(size == 0 ? BN_num_bytes(number) : size), '\0');
  Require(BN_bn2binpad(number, Bytes(bytes), static_cast<int>(bytes.size())) >= 0);
  BN_free(number);
  return Base64UrlEncode(bytes);
}

Jwk PublicPart(Algorithm algorithm, EVP_PKEY* key, std::string key_id) {
  Jwk jwk;
  jwk.kid = std::move(key_id);
  jwk.use = "sig";
  switch (algorithm) {
    case Algorithm::kEs256:
      jwk.alg = "ES256";
      jwk.kty = "EC";
      jwk.crv = "P-256";
      jwk.x = Number(key, OSSL_PKEY_PARAM_EC_PUB_X, 32);
      jwk.y = Number(key, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
      break;
    case Algorithm::kEdDsa: {
      std::string bytes(32, '\0');
      size_t size = bytes.size();
      Require(EVP_PKEY_get_raw_public_key(key, Bytes(bytes), &size) == 1);
      jwk.alg = "EdDSA";
      jwk.kty = "OKP";
      jwk.crv = "Ed25519";
      jwk.x = Base64UrlEncode(bytes);
      break;
    }
    case Algorithm::kRs256:
      jwk.alg = "RS256";
      jwk.kty = "RSA";
      jwk.n = Number(key, OSSL_PKEY_PARAM_RSA_N);
      jwk.e = Number(key, OSSL_PKEY_PARAM_RSA_E);
      break;
  }
  return jwk;
}

// r ‖ s of an ECDSA signature in DER.
std::string JwsForm(absl::string_view der) {
  const unsigned char* at = Bytes(der);
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  Require(signature != nullptr);
  std::string bytes(64, '\0');
  Require(BN_bn2binpad(ECDSA_SIG_get0_r(signature), Bytes(bytes), 32) == 32);
  Require(BN_bn2binpad(ECDSA_SIG_get0_s(signature), Bytes(bytes) + 32, 32) == 32);
  ECDSA_SIG_free(signature);
  return bytes;
}

}  // namespace

TestSigner::TestSigner(Algorithm algorithm, std::string key_id)
    : algorithm_(algorithm), key_(Generate(algorithm), [](void* key) { EVP_PKEY_free(static_cast<EVP_PKEY*>(key)); }) {
  Require(key_ != nullptr);
  jwk_ = PublicPart(algorithm, static_cast<EVP_PKEY*>(key_.get()), std::move(key_id));
}

std::string TestSigner::Header() const {
  return nlohmann::json{{"alg", jwk_.alg}, {"kid", jwk_.kid}, {"typ", "at+jwt"}}.dump();
}

std::string TestSigner::Sign(absl::string_view header, absl::string_view payload) const {
  const std::string message = absl::StrCat(Base64UrlEncode(header), ".", Base64UrlEncode(payload));
  return absl::StrCat(message, ".", Base64UrlEncode(SignBytes(message)));
}

std::string TestSigner::SignBytes(absl::string_view message) const {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const EVP_MD* digest = algorithm_ == Algorithm::kEdDsa ? nullptr : EVP_sha256();
  Require(EVP_DigestSignInit(context, nullptr, digest, nullptr, static_cast<EVP_PKEY*>(key_.get())) == 1);
  size_t size = 0;
  Require(EVP_DigestSign(context, nullptr, &size, Bytes(message), message.size()) == 1);
  std::string signature(size, '\0');
  Require(EVP_DigestSign(context, Bytes(signature), &size, Bytes(message), message.size()) == 1);
  signature.resize(size);
  EVP_MD_CTX_free(context);
  return algorithm_ == Algorithm::kEs256 ? JwsForm(signature) : signature;
}

Claims GoodClaims(absl::Time now) {
  Claims claims;
  claims.issuer = std::string(kTestIssuer);
  claims.subject = "01890a5d-ac96-774b-bcce-b302099a8057";
  claims.session_id = "01890a5d-ac96-774b-bcce-b302099a8058";
  claims.token_id = "01890a5d-ac96-774b-bcce-b302099a8059";
  claims.audiences = {std::string(kTestAudience)};
  claims.scopes = {"orders.read", "orders.write"};
  claims.issued_at = now;
  claims.expires_at = now + absl::Minutes(5);
  return claims;
}

std::string ClaimsJson(const Claims& claims) {
  nlohmann::json json = {{"iss", claims.issuer},
                         {"sub", claims.subject},
                         {"sid", claims.session_id},
                         {"jti", claims.token_id},
                         {"aud", claims.audiences},
                         {"iat", absl::ToUnixSeconds(claims.issued_at)},
                         {"exp", absl::ToUnixSeconds(claims.expires_at)}};
  if (!claims.scopes.empty()) json["scope"] = absl::StrJoin(claims.scopes, " ");
  if (claims.not_before != absl::InfinitePast()) json["nbf"] = absl::ToUnixSeconds(claims.not_before);
  if (!claims.username.empty()) json["preferred_username"] = claims.username;
  if (!claims.certificate_sha256.empty()) json["cnf"] = {{"x5t#S256", Base64UrlEncode(claims.certificate_sha256)}};
  return json.dump();
}

std::string MintToken(const TestSigner& signer, const Claims& claims) {
  return signer.Sign(signer.Header(), ClaimsJson(claims));
}

}  // namespace watchword
