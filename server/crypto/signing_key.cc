#include "server/crypto/signing_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/crypto/openssl.h"
#include "watchword/base/base64url.h"
#include "watchword/token/opaque_token.h"

namespace watchword {
namespace {

constexpr size_t kRsaBits = 3072;
constexpr size_t kP256Size = 32;  // of a coordinate, and of each half of a signature

using Key = OpenSslPtr<EVP_PKEY, EVP_PKEY_free>;
using KeyInfo = OpenSslPtr<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;
using DigestContext = OpenSslPtr<EVP_MD_CTX, EVP_MD_CTX_free>;
using Number = OpenSslPtr<BIGNUM, BN_free>;

absl::Status OpenSslFailed(absl::string_view what) {
  return absl::InternalError(absl::StrCat("OpenSSL cannot ", what));
}

unsigned char* Bytes(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

EVP_PKEY* NewKey(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kEs256:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
    case Algorithm::kEdDsa:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    case Algorithm::kRs256:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", kRsaBits);
  }
  return nullptr;
}

bool IsKeyFor(Algorithm algorithm, const EVP_PKEY* key) {
  switch (algorithm) {
    case Algorithm::kEs256: {
      char group[32] = "";
      size_t size = 0;
      return EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, group, sizeof(group), &size) == 1 &&
             absl::string_view(group) == "prime256v1";
    }
    case Algorithm::kEdDsa:
      return EVP_PKEY_is_a(key, "ED25519") == 1;
    case Algorithm::kRs256:
      return EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) >= 2048;
  }
  return false;
}

// A number of the key in base64url, of at least `size` bytes; "" if it has none of this name.
std::string NumberText(const EVP_PKEY* key, const char* name, size_t size) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) return "";
  const Number number(raw);
  std::string bytes(std::max(size, static_cast<size_t>(BN_num_bytes(raw))), '\0');
  BN_bn2binpad(raw, Bytes(bytes), static_cast<int>(bytes.size()));
  return Base64UrlEncode(bytes);
}

std::string RawPublicKeyText(const EVP_PKEY* key) {
  size_t size = 0;
  if (EVP_PKEY_get_raw_public_key(key, nullptr, &size) != 1) return "";
  std::string bytes(size, '\0');
  if (EVP_PKEY_get_raw_public_key(key, Bytes(bytes), &size) != 1) return "";
  return Base64UrlEncode(bytes);
}

// RFC 7638 section 3: the required members, in alphabetical order, without white space.
std::string ThumbprintInput(const Jwk& jwk) {
  if (jwk.kty == "RSA") return absl::StrCat(R"({"e":")", jwk.e, R"(","kty":"RSA","n":")", jwk.n, R"("})");
  std::string json = absl::StrCat(R"({"crv":")", jwk.crv, R"(","kty":")", jwk.kty, R"(","x":")", jwk.x, R"(")");
  if (jwk.kty == "EC") absl::StrAppend(&json, R"(,"y":")", jwk.y, R"(")");
  return absl::StrCat(json, "}");
}

Jwk PublicJwk(Algorithm algorithm, const EVP_PKEY* key) {
  Jwk jwk;
  switch (algorithm) {
    case Algorithm::kEs256:
      jwk.kty = "EC";
      jwk.crv = "P-256";
      jwk.x = NumberText(key, OSSL_PKEY_PARAM_EC_PUB_X, kP256Size);
      jwk.y = NumberText(key, OSSL_PKEY_PARAM_EC_PUB_Y, kP256Size);
      break;
    case Algorithm::kEdDsa:
      jwk.kty = "OKP";
      jwk.crv = "Ed25519";
      jwk.x = RawPublicKeyText(key);
      break;
    case Algorithm::kRs256:
      jwk.kty = "RSA";
      jwk.n = NumberText(key, OSSL_PKEY_PARAM_RSA_N, 1);
      jwk.e = NumberText(key, OSSL_PKEY_PARAM_RSA_E, 1);
      break;
  }
  jwk.kid = Base64UrlEncode(Sha256(ThumbprintInput(jwk)));
  jwk.use = "sig";
  jwk.alg = std::string(AlgorithmName(algorithm));
  return jwk;
}

// RFC 7518 section 3.4: r ‖ s in place of OpenSSL's DER. "" if `der` is no signature.
std::string ConcatenatedSignature(absl::string_view der) {
  const auto* position = reinterpret_cast<const unsigned char*>(der.data());
  const OpenSslPtr<ECDSA_SIG, ECDSA_SIG_free> signature(
      d2i_ECDSA_SIG(nullptr, &position, static_cast<long>(der.size())));  // NOLINT: OpenSSL's type
  if (!signature) return "";
  std::string bytes(2 * kP256Size, '\0');
  const bool fits = BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), Bytes(bytes), kP256Size) == kP256Size &&
                    BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), Bytes(bytes) + kP256Size, kP256Size) == kP256Size;
  return fits ? bytes : "";
}

}  // namespace

struct SigningKey::Impl {
  Algorithm algorithm;
  Key key;
  // Ready to sign: copied for each signature, as making one anew looks up the algorithms under locks.
  DigestContext prepared;
  Jwk public_jwk;

  static absl::StatusOr<SigningKey> Make(Algorithm algorithm, Key key) {
    DigestContext prepared(EVP_MD_CTX_new());
    const char* digest = algorithm == Algorithm::kEdDsa ? nullptr : "SHA256";
    if (!prepared ||
        EVP_DigestSignInit_ex(prepared.get(), nullptr, digest, nullptr, nullptr, key.get(), nullptr) != 1) {
      return OpenSslFailed("sign with this key");
    }
    Jwk jwk = PublicJwk(algorithm, key.get());
    return SigningKey(
        std::make_shared<const Impl>(Impl{algorithm, std::move(key), std::move(prepared), std::move(jwk)}));
  }
};

SigningKey::SigningKey(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<SigningKey> SigningKey::Generate(Algorithm algorithm) {
  while (true) {
    Key key(NewKey(algorithm));
    if (!key) return OpenSslFailed("make a key");
    absl::StatusOr<SigningKey> made = Impl::Make(algorithm, std::move(key));
    if (!made.ok() || made->key_id().front() != '-') return made;
  }
}

absl::StatusOr<SigningKey> SigningKey::Deserialize(Algorithm algorithm, const Secret& pkcs8_der) {
  const absl::string_view der = pkcs8_der.Reveal();
  const auto* position = reinterpret_cast<const unsigned char*>(der.data());
  const KeyInfo info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &position, static_cast<long>(der.size())));  // NOLINT: as above
  const bool whole = reinterpret_cast<const char*>(position) == der.data() + der.size();
  Key key(info && whole ? EVP_PKCS82PKEY(info.get()) : nullptr);
  if (!key || !IsKeyFor(algorithm, key.get())) {
    return absl::FailedPreconditionError(
        absl::StrCat("this is not a private key for ", AlgorithmName(algorithm), " in PKCS #8"));
  }
  return Impl::Make(algorithm, std::move(key));
}

absl::StatusOr<Secret> SigningKey::Serialize() const {
  const KeyInfo info(EVP_PKEY2PKCS8(impl_->key.get()));
  unsigned char* der = nullptr;
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), &der) : -1;
  if (size <= 0) return OpenSslFailed("write the private key");
  Secret secret = Secret::CopyOf(absl::string_view(reinterpret_cast<const char*>(der), static_cast<size_t>(size)));
  OPENSSL_clear_free(der, static_cast<size_t>(size));
  return secret;
}

Algorithm SigningKey::algorithm() const { return impl_->algorithm; }

const std::string& SigningKey::key_id() const { return impl_->public_jwk.kid; }

const Jwk& SigningKey::public_jwk() const { return impl_->public_jwk; }

absl::StatusOr<std::string> SigningKey::Sign(absl::string_view message) const {
  const DigestContext context(EVP_MD_CTX_new());
  std::string signature(static_cast<size_t>(EVP_PKEY_get_size(impl_->key.get())), '\0');
  size_t size = signature.size();
  if (!context || EVP_MD_CTX_copy_ex(context.get(), impl_->prepared.get()) != 1 ||
      EVP_DigestSign(context.get(), Bytes(signature), &size, reinterpret_cast<const unsigned char*>(message.data()),
                     message.size()) != 1) {
    return OpenSslFailed("sign");
  }
  signature.resize(size);
  if (impl_->algorithm == Algorithm::kEs256) signature = ConcatenatedSignature(signature);
  if (signature.empty()) return OpenSslFailed("sign");
  return signature;
}

}  // namespace watchword
