#include "watchword/token/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "watchword/base/base64url.h"

namespace watchword {
namespace {

template <auto free_function>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free_function(object);
  }
};
using PkeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using PkeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;
using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, Free<BN_free>>;
using ParamBuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>>;
using ParamsPtr = std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>>;
using EcdsaSignaturePtr = std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>>;

// Takes away the errors that OpenSSL leaves in the thread's queue when it refuses something: the next TLS call on this
// thread would take them for its own.
class ErrorsDropped {
 public:
  ErrorsDropped() { ERR_set_mark(); }
  ~ErrorsDropped() { ERR_pop_to_mark(); }
  ErrorsDropped(const ErrorsDropped&) = delete;
  ErrorsDropped& operator=(const ErrorsDropped&) = delete;
};

constexpr size_t kP256Size = 32;
constexpr size_t kEd25519Size = 32;
constexpr size_t kMaxKeyIdSize = 255;
constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 8192;
constexpr size_t kMaxRsaExponentSize = 4;

const unsigned char* Bytes(absl::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

BignumPtr Number(absl::string_view bytes) {
  return BignumPtr(BN_bin2bn(Bytes(bytes), static_cast<int>(bytes.size()), nullptr));
}

absl::StatusOr<std::string> Member(absl::string_view name, absl::string_view value, size_t size) {
  absl::StatusOr<std::string> bytes = Base64UrlDecode(value);
  if (!bytes.ok()) return absl::InvalidArgumentError(absl::StrCat("\"", name, "\": ", bytes.status().message()));
  if (bytes->size() != size) return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is not ", size, " bytes"));
  return bytes;
}

// A number as RFC 7518 section 2 wants it: in as few bytes as it takes.
absl::StatusOr<std::string> NumberMember(absl::string_view name, absl::string_view value, size_t max_size) {
  absl::StatusOr<std::string> bytes = Base64UrlDecode(value);
  if (!bytes.ok()) return absl::InvalidArgumentError(absl::StrCat("\"", name, "\": ", bytes.status().message()));
  if (bytes->empty() || bytes->front() == '\0' || bytes->size() > max_size) {
    return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is empty, too large or begins with a zero byte"));
  }
  return bytes;
}

absl::StatusOr<PkeyPtr> FromParams(const char* type, OSSL_PARAM_BLD* builder) {
  const ParamsPtr params(OSSL_PARAM_BLD_to_param(builder));
  const PkeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return absl::InvalidArgumentError("not a usable public key");
  }
  return PkeyPtr(key);
}

absl::StatusOr<PkeyPtr> EcKey(const Jwk& jwk) {
  const absl::StatusOr<std::string> x = Member("x", jwk.x, kP256Size);
  if (!x.ok()) return x.status();
  const absl::StatusOr<std::string> y = Member("y", jwk.y, kP256Size);
  if (!y.ok()) return y.status();
  const std::string point = absl::StrCat("\x04", *x, *y);  // uncompressed (SEC 1 section 2.3.3)
  const ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  absl::StatusOr<PkeyPtr> key = FromParams("EC", builder.get());
  if (!key.ok()) return absl::InvalidArgumentError("the point is not on the curve");
  const PkeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key->get(), nullptr));
  if (EVP_PKEY_public_check(context.get()) != 1) return absl::InvalidArgumentError("the point is not a public key");
  return key;
}

absl::StatusOr<PkeyPtr> Ed25519Key(const Jwk& jwk) {
  const absl::StatusOr<std::string> x = Member("x", jwk.x, kEd25519Size);
  if (!x.ok()) return x.status();
  PkeyPtr key(EVP_PKEY_new_raw_public_key_ex(nullptr, "ED25519", nullptr, Bytes(*x), x->size()));
  if (key == nullptr) return absl::InvalidArgumentError("not a usable public key");
  return key;
}

absl::StatusOr<PkeyPtr> RsaKey(const Jwk& jwk) {
  const absl::StatusOr<std::string> n = NumberMember("n", jwk.n, kMaxRsaBits / 8);
  if (!n.ok()) return n.status();
  const absl::StatusOr<std::string> e = NumberMember("e", jwk.e, kMaxRsaExponentSize);
  if (!e.ok()) return e.status();
  const BignumPtr modulus = Number(*n);
  const BignumPtr exponent = Number(*e);
  if (BN_num_bits(modulus.get()) < kMinRsaBits) {
    return absl::InvalidArgumentError(absl::StrCat("an RSA key of less than ", kMinRsaBits, " bits"));
  }
  if (!BN_is_odd(modulus.get())) return absl::InvalidArgumentError("an even RSA modulus");
  if (!BN_is_odd(exponent.get()) || BN_is_one(exponent.get())) {
    return absl::InvalidArgumentError("the RSA exponent is not an odd number from 3");
  }
  const ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  return FromParams("RSA", builder.get());
}

// The algorithm that goes with the key's type, of which no other member may speak.
absl::StatusOr<Algorithm> AlgorithmOf(const Jwk& jwk) {
  if (jwk.kty == "EC" && jwk.crv == "P-256" && jwk.n.empty() && jwk.e.empty()) return Algorithm::kEs256;
  if (jwk.kty == "OKP" && jwk.crv == "Ed25519" && jwk.y.empty() && jwk.n.empty() && jwk.e.empty()) {
    return Algorithm::kEdDsa;
  }
  if (jwk.kty == "RSA" && jwk.crv.empty() && jwk.x.empty() && jwk.y.empty()) return Algorithm::kRs256;
  return absl::InvalidArgumentError("not an EC P-256, OKP Ed25519 or RSA key");
}

absl::StatusOr<PkeyPtr> Decode(Algorithm algorithm, const Jwk& jwk) {
  switch (algorithm) {
    case Algorithm::kEs256:
      return EcKey(jwk);
    case Algorithm::kEdDsa:
      return Ed25519Key(jwk);
    case Algorithm::kRs256:
      return RsaKey(jwk);
  }
  return absl::InvalidArgumentError("unknown algorithm");
}

bool IsKeyId(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxKeyIdSize &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_isprint(c); });
}

// The DER form of r ‖ s, or "" if it is not a signature. OpenSSL checks that r and s are below the order.
std::string DerOfEcdsa(absl::string_view signature) {
  if (signature.size() != 2 * kP256Size) return "";
  BignumPtr r = Number(signature.substr(0, kP256Size));
  BignumPtr s = Number(signature.substr(kP256Size));
  if (r == nullptr || s == nullptr || BN_is_zero(r.get()) || BN_is_zero(s.get())) return "";
  const EcdsaSignaturePtr ecdsa(ECDSA_SIG_new());
  if (ecdsa == nullptr || ECDSA_SIG_set0(ecdsa.get(), r.get(), s.get()) != 1) return "";
  r.release();  // NOLINT(bugprone-unused-return-value): owned by ecdsa now
  s.release();  // NOLINT(bugprone-unused-return-value)
  unsigned char der[2 * kP256Size + 8];
  unsigned char* end = der;
  const int size = i2d_ECDSA_SIG(ecdsa.get(), &end);
  return size > 0 ? std::string(reinterpret_cast<char*>(der), static_cast<size_t>(size)) : "";
}

}  // namespace

struct VerificationKey::Impl {
  std::string key_id;
  Algorithm algorithm;
  PkeyPtr key;
  DigestContextPtr ready;  // set up to verify; copied for each use, which is cheaper than setting up
};

absl::string_view AlgorithmName(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kEs256:
      return "ES256";
    case Algorithm::kEdDsa:
      return "EdDSA";
    case Algorithm::kRs256:
      return "RS256";
  }
  return "";
}

VerificationKey::VerificationKey(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<VerificationKey> VerificationKey::FromJwk(const Jwk& jwk) {
  if (!IsKeyId(jwk.kid)) return absl::InvalidArgumentError("\"kid\" is not 1 to 255 printable ASCII characters");
  if (!jwk.use.empty() && jwk.use != "sig") return absl::InvalidArgumentError("\"use\" is not \"sig\"");
  const absl::StatusOr<Algorithm> algorithm = AlgorithmOf(jwk);
  if (!algorithm.ok()) return algorithm.status();
  if (!jwk.alg.empty() && jwk.alg != AlgorithmName(*algorithm)) {
    return absl::InvalidArgumentError(absl::StrCat("\"alg\" is not ", AlgorithmName(*algorithm)));
  }
  const ErrorsDropped errors_dropped;
  absl::StatusOr<PkeyPtr> key = Decode(*algorithm, jwk);
  if (!key.ok()) return key.status();

  DigestContextPtr ready(EVP_MD_CTX_new());
  const char* const digest = *algorithm == Algorithm::kEdDsa ? nullptr : "SHA256";
  if (ready == nullptr ||
      EVP_DigestVerifyInit_ex(ready.get(), nullptr, digest, nullptr, nullptr, key->get(), nullptr) != 1) {
    return absl::InvalidArgumentError("not a usable public key");
  }
  return VerificationKey(std::make_shared<const Impl>(Impl{jwk.kid, *algorithm, *std::move(key), std::move(ready)}));
}

const std::string& VerificationKey::key_id() const { return impl_->key_id; }

Algorithm VerificationKey::algorithm() const { return impl_->algorithm; }

bool VerificationKey::Verify(absl::string_view message, absl::string_view signature) const {
  const ErrorsDropped errors_dropped;
  std::string der;
  if (impl_->algorithm == Algorithm::kEs256) {
    der = DerOfEcdsa(signature);
    if (der.empty()) return false;
    signature = der;
  }
  const DigestContextPtr context(EVP_MD_CTX_new());
  return context != nullptr && EVP_MD_CTX_copy_ex(context.get(), impl_->ready.get()) == 1 &&
         EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(message), message.size()) == 1;
}

}  // namespace watchword
