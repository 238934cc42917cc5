#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "server/crypto/password_formats.h"

namespace watchword {
namespace {

constexpr uint32_t kMaxIterations = 5'000'000;  // some seconds on one core
constexpr uint64_t kMaxScryptMemory = uint64_t{1} << 30;
constexpr size_t kMaxSaltSize = 64;
constexpr size_t kLeastHashSize = 16;
constexpr size_t kMaxHashSize = 64;

unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* Bytes(absl::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

absl::Status Damaged(absl::string_view scheme) {
  return absl::FailedPreconditionError(absl::StrCat("the ", scheme, " hash is damaged or asks for too much"));
}
absl::Status Failed() { return absl::ResourceExhaustedError("not enough memory to hash a password"); }

// RFC 8018 section 5.2.
class Pbkdf2Hash final : public StoredHash {
 public:
  Pbkdf2Hash(const EVP_MD* digest, uint32_t iterations, std::string salt, std::string hash)
      : digest_(digest), iterations_(iterations), salt_(std::move(salt)), hash_(std::move(hash)) {}

  absl::StatusOr<bool> Matches(const Secret& password) const override {
    std::string made(hash_.size(), '\0');
    const absl::string_view bytes = password.Reveal();
    if (PKCS5_PBKDF2_HMAC(bytes.data(), static_cast<int>(bytes.size()), Bytes(salt_), static_cast<int>(salt_.size()),
                          static_cast<int>(iterations_), digest_, static_cast<int>(made.size()), Bytes(made)) != 1) {
      return Failed();
    }
    const Secret secret(std::move(made));
    return EqualInConstantTime(secret.Reveal(), hash_);
  }
  size_t memory() const override { return 0; }

 private:
  const EVP_MD* const digest_;
  const uint32_t iterations_;
  const std::string salt_;
  const std::string hash_;
};

// RFC 7914.
class ScryptHash final : public StoredHash {
 public:
  ScryptHash(uint32_t log2_n, uint32_t r, uint32_t p, std::string salt, std::string hash)
      : n_(uint64_t{1} << log2_n), r_(r), p_(p), salt_(std::move(salt)), hash_(std::move(hash)) {}

  absl::StatusOr<bool> Matches(const Secret& password) const override {
    std::string made(hash_.size(), '\0');
    const absl::string_view bytes = password.Reveal();
    if (EVP_PBE_scrypt(bytes.data(), bytes.size(), Bytes(salt_), salt_.size(), n_, r_, p_, 2 * kMaxScryptMemory,
                       Bytes(made), made.size()) != 1) {
      return Failed();
    }
    const Secret secret(std::move(made));
    return EqualInConstantTime(secret.Reveal(), hash_);
  }
  size_t memory() const override { return 128 * r_ * (n_ + p_); }

 private:
  const uint64_t n_;
  const uint32_t r_;
  const uint32_t p_;
  const std::string salt_;
  const std::string hash_;
};

const EVP_MD* DigestOf(absl::string_view name) {
  if (name == "sha1") return EVP_sha1();
  if (name == "sha256") return EVP_sha256();
  return name == "sha512" ? EVP_sha512() : nullptr;
}

// "pbkdf2_sha256$600000$salt$hash": the salt as it stands, the hash in base64 with padding.
ParsedHash ParseDjango(absl::string_view text) {
  const EVP_MD* digest = DigestOf(ConsumeField(&text));
  uint32_t iterations = 0;
  if (digest == nullptr || !ConsumeNumber(&text, kMaxIterations, &iterations) || !absl::ConsumePrefix(&text, "$")) {
    return Damaged("PBKDF2");
  }
  const absl::string_view salt = ConsumeField(&text);
  const size_t size = static_cast<size_t>(EVP_MD_get_size(digest));
  if (salt.empty() || salt.size() > kMaxSaltSize || text.size() != (size + 2) / 3 * 4) return Damaged("PBKDF2");
  const size_t padding = (3 - size % 3) % 3;
  if (!absl::ConsumeSuffix(&text, std::string(padding, '='))) return Damaged("PBKDF2");
  auto hash = DecodeBase64(text, size, size);
  if (!hash) return Damaged("PBKDF2");
  return std::make_unique<Pbkdf2Hash>(digest, iterations, std::string(salt), *std::move(hash));
}

// "$pbkdf2-sha256$29000$salt$hash" of passlib, with "." for "+"; "$pbkdf2-sha256$i=600000,l=32$salt$hash" of others.
ParsedHash ParsePhcPbkdf2(absl::string_view text) {
  const absl::string_view name = ConsumeField(&text);
  const EVP_MD* digest = DigestOf(name.empty() ? "sha1" : name.substr(1));
  if (digest == nullptr || (!name.empty() && name[0] != '-')) return Damaged("PBKDF2");
  const bool named = absl::ConsumePrefix(&text, "i=");
  uint32_t iterations = 0;
  uint32_t size = 0;
  if (!ConsumeNumber(&text, kMaxIterations, &iterations)) return Damaged("PBKDF2");
  if (named && absl::ConsumePrefix(&text, ",l=") && !ConsumeNumber(&text, kMaxHashSize, &size))
    return Damaged("PBKDF2");
  if (!absl::ConsumePrefix(&text, "$")) return Damaged("PBKDF2");
  const auto decode = [named](absl::string_view field, size_t least, size_t most) {
    return named ? DecodeBase64(field, least, most)
                 : DecodeBase64(absl::StrReplaceAll(field, {{".", "+"}}), least, most);
  };
  auto salt = decode(ConsumeField(&text), 1, kMaxSaltSize);
  auto hash = decode(text, kLeastHashSize, kMaxHashSize);
  if (!salt || !hash || (size != 0 && hash->size() != size)) return Damaged("PBKDF2");
  return std::make_unique<Pbkdf2Hash>(digest, iterations, *std::move(salt), *std::move(hash));
}

// "$scrypt$ln=16,r=8,p=1$salt$hash", after the first field.
ParsedHash ParsePhcScrypt(absl::string_view text) {
  uint32_t ln = 0;
  uint32_t r = 0;
  uint32_t p = 0;
  if (!absl::ConsumePrefix(&text, "ln=") || !ConsumeNumber(&text, 20, &ln) || !absl::ConsumePrefix(&text, ",r=") ||
      !ConsumeNumber(&text, 64, &r) || !absl::ConsumePrefix(&text, ",p=") || !ConsumeNumber(&text, 64, &p) ||
      !absl::ConsumePrefix(&text, "$") || ((uint64_t{128} * r * p) << ln) > kMaxScryptMemory) {
    return Damaged("scrypt");
  }
  auto salt = DecodeBase64(ConsumeField(&text), 1, kMaxSaltSize);
  auto hash = DecodeBase64(text, kLeastHashSize, kMaxHashSize);
  if (!salt || !hash) return Damaged("scrypt");
  return std::make_unique<ScryptHash>(ln, r, p, *std::move(salt), *std::move(hash));
}

}  // namespace

std::optional<ParsedHash> ParseKdfHash(absl::string_view text) {
  if (absl::ConsumePrefix(&text, "pbkdf2_")) return ParseDjango(text);
  if (absl::ConsumePrefix(&text, "$pbkdf2")) return ParsePhcPbkdf2(text);
  if (absl::ConsumePrefix(&text, "$scrypt$")) return ParsePhcScrypt(text);
  return std::nullopt;
}

}  // namespace watchword
