#include "server/crypto/password_hasher.h"

#include <sodium.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "watchword/base/base64url.h"

namespace watchword {
namespace {

constexpr size_t kSaltSize = 16;
constexpr size_t kHashSize = 32;
constexpr uint32_t kMinMemoryKib = 8 * 1024;
constexpr uint32_t kMaxMemoryKib = 1024 * 1024;
constexpr uint32_t kMaxPasses = 64;
static_assert(kSaltSize == crypto_pwhash_argon2id_SALTBYTES);

struct Phc {
  PasswordHasher::Cost cost;
  std::string salt;
  std::string hash;
};

// PHC strings use the standard alphabet without padding.
std::string Encode(absl::string_view bytes) {
  std::string text = Base64UrlEncode(bytes);
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  return text;
}

// `size` bytes, or nothing. Decodes nothing that is longer.
std::optional<std::string> Decode(absl::string_view text, size_t size) {
  if (text.size() != (size * 4 + 2) / 3 || text.find_first_of("-_") != absl::string_view::npos) return std::nullopt;
  std::string url(text);
  std::replace(url.begin(), url.end(), '+', '-');
  std::replace(url.begin(), url.end(), '/', '_');
  auto bytes = Base64UrlDecode(url);
  if (!bytes.ok()) return std::nullopt;
  return *std::move(bytes);
}

// Takes a decimal number of at most `max`, as the PHC format writes it, off the front.
bool ConsumeNumber(absl::string_view* text, uint32_t max, uint32_t* number) {
  const size_t size = std::min(text->find_first_not_of("0123456789"), text->size());
  const absl::string_view digits = text->substr(0, size);
  if (digits.empty() || digits[0] == '0' || !absl::SimpleAtoi(digits, number) || *number > max) return false;
  text->remove_prefix(size);
  return true;
}

// Exactly the form that Format writes; lanes other than one are beyond libsodium.
std::optional<Phc> Parse(absl::string_view text) {
  Phc phc;
  if (!absl::ConsumePrefix(&text, "$argon2id$v=19$m=") || !ConsumeNumber(&text, kMaxMemoryKib, &phc.cost.memory_kib) ||
      !absl::ConsumePrefix(&text, ",t=") || !ConsumeNumber(&text, kMaxPasses, &phc.cost.passes) ||
      !absl::ConsumePrefix(&text, ",p=1$")) {
    return std::nullopt;
  }
  constexpr uint32_t kLeastMemoryKib = crypto_pwhash_argon2id_MEMLIMIT_MIN / 1024;
  const size_t dollar = text.find('$');
  if (phc.cost.memory_kib < kLeastMemoryKib || dollar == absl::string_view::npos) return std::nullopt;
  auto salt = Decode(text.substr(0, dollar), kSaltSize);
  auto hash = Decode(text.substr(dollar + 1), kHashSize);
  if (!salt || !hash) return std::nullopt;
  phc.salt = *std::move(salt);
  phc.hash = *std::move(hash);
  return phc;
}

std::string Format(const PasswordHasher::Cost& cost, absl::string_view salt, absl::string_view hash) {
  return absl::StrCat("$argon2id$v=19$m=", cost.memory_kib, ",t=", cost.passes, ",p=1$", Encode(salt), "$",
                      Encode(hash));
}

absl::StatusOr<Secret> Argon2id(const Secret& password, absl::string_view salt, const PasswordHasher::Cost& cost) {
  std::string hash(kHashSize, '\0');
  const absl::string_view bytes = password.Reveal();
  const int result =
      crypto_pwhash_argon2id(reinterpret_cast<unsigned char*>(hash.data()), hash.size(), bytes.data(), bytes.size(),
                             reinterpret_cast<const unsigned char*>(salt.data()), cost.passes,
                             size_t{cost.memory_kib} * 1024, crypto_pwhash_argon2id_ALG_ARGON2ID13);
  if (result != 0) return absl::ResourceExhaustedError("not enough memory to hash a password");
  return Secret(std::move(hash));
}

absl::StatusOr<Secret> RandomBytes(size_t size, RandomSource& random) {
  std::string bytes(size, '\0');
  if (auto status = random.Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes.data()), size)); !status.ok()) {
    return status;
  }
  return Secret(std::move(bytes));
}

}  // namespace

absl::StatusOr<PasswordHasher> PasswordHasher::Create(Cost cost, RandomSource& random) {
  static const int initialized = sodium_init();
  if (initialized < 0) return absl::InternalError("libsodium cannot start");
  if (cost.memory_kib < kMinMemoryKib || cost.memory_kib > kMaxMemoryKib) {
    return absl::InvalidArgumentError("the memory for hashing a password must be 8 MiB to 1 GiB");
  }
  if (cost.passes < 1 || cost.passes > kMaxPasses) {
    return absl::InvalidArgumentError("the passes for hashing a password must be 1 to 64");
  }
  PasswordHasher hasher(cost, random);
  const auto nobodys_password = RandomBytes(kHashSize, random);
  if (!nobodys_password.ok()) return nobodys_password.status();
  auto dummy_hash = hasher.Hash(*nobodys_password);
  if (!dummy_hash.ok()) return dummy_hash.status();
  hasher.dummy_hash_ = *std::move(dummy_hash);
  return hasher;
}

absl::StatusOr<std::string> PasswordHasher::Hash(const Secret& password) const {
  const auto salt = RandomBytes(kSaltSize, *random_);
  if (!salt.ok()) return salt.status();
  const auto hash = Argon2id(password, salt->Reveal(), cost_);
  if (!hash.ok()) return hash.status();
  return Format(cost_, salt->Reveal(), hash->Reveal());
}

absl::StatusOr<bool> PasswordHasher::Verify(const Secret& password, absl::string_view phc) const {
  const auto expected = Parse(phc);
  if (!expected) return absl::FailedPreconditionError("a stored password hash is not one that this server makes");
  const auto hash = Argon2id(password, expected->salt, expected->cost);
  if (!hash.ok()) return hash.status();
  return EqualInConstantTime(hash->Reveal(), expected->hash);
}

bool PasswordHasher::NeedsRehash(absl::string_view phc) const {
  const auto parsed = Parse(phc);
  return parsed && (parsed->cost.memory_kib < cost_.memory_kib || parsed->cost.passes < cost_.passes);
}

}  // namespace watchword
