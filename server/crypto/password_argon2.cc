#include "server/crypto/password_argon2.h"

#include <argon2.h>
#include <sodium.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace watchword {
namespace {

constexpr size_t kMaxSaltSize = 64;
constexpr size_t kMaxHashSize = 64;
static_assert(Argon2Hash::kOwnSaltSize == crypto_pwhash_argon2id_SALTBYTES);

absl::Status NoMemory() { return absl::ResourceExhaustedError("not enough memory to hash a password"); }
absl::Status Damaged() { return absl::FailedPreconditionError("the Argon2id hash is damaged or asks for too much"); }

// libsodium chooses AVX2 or AVX-512 at run time, which makes it a quarter faster than Debian's libargon2.
absl::StatusOr<Secret> HashWithSodium(const Secret& password, absl::string_view salt, const Argon2Cost& cost,
                                      size_t size) {
  std::string hash(size, '\0');
  const absl::string_view bytes = password.Reveal();
  const int result =
      crypto_pwhash_argon2id(reinterpret_cast<unsigned char*>(hash.data()), hash.size(), bytes.data(), bytes.size(),
                             reinterpret_cast<const unsigned char*>(salt.data()), cost.passes,
                             size_t{cost.memory_kib} * 1024, crypto_pwhash_argon2id_ALG_ARGON2ID13);
  if (result != 0) return NoMemory();
  return Secret(std::move(hash));
}

// For what libsodium does not do: several lanes, salts of another size. All lanes are done on this thread.
absl::StatusOr<Secret> HashWithArgon2(const Secret& password, absl::string_view salt, const Argon2Cost& cost,
                                      size_t size) {
  std::string hash(size, '\0');
  const auto bytes = [](absl::string_view text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));  // which it does not write to
  };
  argon2_context context{};
  context.out = bytes(hash);
  context.outlen = static_cast<uint32_t>(hash.size());
  context.pwd = bytes(password.Reveal());
  context.pwdlen = static_cast<uint32_t>(password.Reveal().size());
  context.salt = bytes(salt);
  context.saltlen = static_cast<uint32_t>(salt.size());
  context.t_cost = cost.passes;
  context.m_cost = cost.memory_kib;
  context.lanes = cost.lanes;
  context.threads = 1;
  context.version = ARGON2_VERSION_13;
  if (argon2id_ctx(&context) != ARGON2_OK) return NoMemory();
  return Secret(std::move(hash));
}

}  // namespace

std::optional<absl::StatusOr<Argon2Hash>> Argon2Hash::Parse(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "$argon2id$")) return std::nullopt;
  Argon2Hash parsed;
  Argon2Cost& cost = parsed.cost_;
  if (!absl::ConsumePrefix(&text, "v=19$m=") || !ConsumeNumber(&text, kMaxMemoryKib, &cost.memory_kib) ||
      !absl::ConsumePrefix(&text, ",t=") || !ConsumeNumber(&text, kMaxPasses, &cost.passes) ||
      !absl::ConsumePrefix(&text, ",p=") || !ConsumeNumber(&text, kMaxLanes, &cost.lanes) ||
      !absl::ConsumePrefix(&text, "$")) {
    return Damaged();
  }
  if (cost.memory_kib < 8 * cost.lanes || uint64_t{cost.memory_kib} * cost.passes > kMaxWorkKib) return Damaged();
  const size_t dollar = text.find('$');
  if (dollar == absl::string_view::npos) return Damaged();
  auto salt = DecodeBase64(text.substr(0, dollar), ARGON2_MIN_SALT_LENGTH, kMaxSaltSize);
  auto hash = DecodeBase64(text.substr(dollar + 1), crypto_pwhash_argon2id_BYTES_MIN, kMaxHashSize);
  if (!salt || !hash) return Damaged();
  parsed.salt_ = *std::move(salt);
  parsed.hash_ = *std::move(hash);
  return parsed;
}

absl::StatusOr<std::string> Argon2Hash::Make(const Secret& password, absl::string_view salt, const Argon2Cost& cost) {
  const auto hash = HashWithSodium(password, salt, cost, kOwnHashSize);
  if (!hash.ok()) return hash.status();
  return absl::StrCat("$argon2id$v=19$m=", cost.memory_kib, ",t=", cost.passes, ",p=1$", EncodeBase64(salt), "$",
                      EncodeBase64(hash->Reveal()));
}

absl::StatusOr<bool> Argon2Hash::Matches(const Secret& password) const {
  const bool simple = cost_.lanes == 1 && salt_.size() == kOwnSaltSize;
  const auto hash = (simple ? HashWithSodium : HashWithArgon2)(password, salt_, cost_, hash_.size());
  if (!hash.ok()) return hash.status();
  return EqualInConstantTime(hash->Reveal(), hash_);
}

}  // namespace watchword
