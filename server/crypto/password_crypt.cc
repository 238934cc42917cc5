#include <crypt.h>
#include <string.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/crypto/password_formats.h"

namespace watchword {
namespace {

// Each of these is some seconds on one core. People set less.
constexpr uint32_t kMinBcryptCost = 4;
constexpr uint32_t kMaxBcryptCost = 15;
constexpr uint32_t kMinSha512Rounds = 1000;
constexpr uint32_t kMaxSha512Rounds = 1'000'000;
constexpr uint64_t kMaxScryptMemory = uint64_t{1} << 30;  // also of all lanes together, one after the other

constexpr absl::string_view kAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool IsOf(absl::string_view alphabet, absl::string_view text) {
  return text.find_first_not_of(alphabet) == absl::string_view::npos;
}

// The number that one character stands for; 64 if it is none of them.
uint32_t ValueOf(char c) {
  const size_t value = kAlphabet.find(c);
  return value == absl::string_view::npos ? 64 : static_cast<uint32_t>(value);
}

// crypt(3), which reads the cost from the text itself.
class CryptHash final : public StoredHash {
 public:
  CryptHash(absl::string_view text, size_t memory) : text_(text), memory_(memory) {}

  absl::StatusOr<bool> Matches(const Secret& password) const override {
    std::string phrase(password.Reveal());
    const absl::Cleanup wipe_phrase = [&phrase] { Secret::Wipe(phrase); };
    const bool cut = absl::StrContains(phrase, '\0');  // crypt would stop there
    const auto data = std::make_unique<crypt_data>();  // 32 KiB, too much for a stack
    const absl::Cleanup wipe_data = [&data] { explicit_bzero(data.get(), sizeof(crypt_data)); };
    const char* hash = crypt_r(phrase.c_str(), text_.c_str(), data.get());
    // It has none for what is longer than 511 bytes: nobody can have set such a password where the hash is from.
    if (hash == nullptr || hash[0] == '*') {
      if (errno == ENOMEM) return absl::ResourceExhaustedError("not enough memory to hash a password");
      return false;
    }
    return EqualInConstantTime(hash, text_) && !cut;
  }
  size_t memory() const override { return memory_; }

 private:
  const std::string text_;
  const size_t memory_;
};

absl::Status Damaged(absl::string_view scheme) {
  return absl::FailedPreconditionError(absl::StrCat("the ", scheme, " hash is damaged or asks for too much"));
}

ParsedHash Accept(absl::string_view text, size_t memory) { return std::make_unique<CryptHash>(text, memory); }

// "$2b$12$" and 22 characters of salt and 31 of hash.
ParsedHash ParseBcrypt(absl::string_view text) {
  constexpr size_t kSize = 60;
  if (text.size() != kSize || text[6] != '$' || !IsOf("0123456789", text.substr(4, 2))) return Damaged("bcrypt");
  const uint32_t cost = static_cast<uint32_t>(text[4] - '0') * 10 + static_cast<uint32_t>(text[5] - '0');
  if (cost < kMinBcryptCost || cost > kMaxBcryptCost || !IsOf(kAlphabet, text.substr(7))) return Damaged("bcrypt");
  return Accept(text, 0);
}

// "$6$", "rounds=N$" or nothing, at most 16 characters of salt, "$" and 86 of hash.
ParsedHash ParseSha512(absl::string_view text) {
  absl::string_view rest = text.substr(3);
  if (absl::ConsumePrefix(&rest, "rounds=")) {
    uint32_t rounds = 0;
    if (!ConsumeNumber(&rest, kMaxSha512Rounds, &rounds) || rounds < kMinSha512Rounds ||
        !absl::ConsumePrefix(&rest, "$")) {
      return Damaged("sha512-crypt");
    }
  }
  const absl::string_view salt = ConsumeField(&rest);
  if (salt.size() > 16 || rest.size() != 86 || !IsOf(kAlphabet, salt) || !IsOf(kAlphabet, rest)) {
    return Damaged("sha512-crypt");
  }
  return Accept(text, 0);
}

// "salt$hash" with 43 characters of hash, as yescrypt and scrypt end.
bool IsSaltAndHash(absl::string_view text) {
  const absl::string_view salt = ConsumeField(&text);
  return salt.size() <= 86 && text.size() == 43 && IsOf(kAlphabet, salt) && IsOf(kAlphabet, text);
}

// 128 × N × r bytes, of which `lanes` are filled, one after the other.
bool IsAffordable(uint32_t log2_n, uint64_t r, uint64_t lanes) {
  return log2_n >= 1 && log2_n <= 20 && r >= 1 && r <= 64 && lanes >= 1 && lanes <= 64 &&
         ((uint64_t{128} * r * lanes) << log2_n) <= kMaxScryptMemory;
}

// "$y$j9T$": the flags that everybody has, N and r of one character each, no further parameters.
ParsedHash ParseYescrypt(absl::string_view text) {
  constexpr uint32_t kLastOfOneCharacter = 47;
  if (text.size() < 7 || text[3] != 'j' || text[6] != '$') return Damaged("yescrypt");
  const uint32_t n = ValueOf(text[4]);
  const uint32_t r = ValueOf(text[5]);
  if (n > kLastOfOneCharacter || r > kLastOfOneCharacter || !IsAffordable(n + 1, r + 1, 1) ||
      !IsSaltAndHash(text.substr(7))) {
    return Damaged("yescrypt");
  }
  return Accept(text, (size_t{128} * (r + 1)) << (n + 1));
}

// "$7$", one character for N, five each for r and p, then salt and hash.
ParsedHash ParseScrypt(absl::string_view text) {
  if (text.size() < 14 || !IsOf(kAlphabet, text.substr(3, 11))) return Damaged("scrypt");
  const auto number = [&](size_t at) {
    uint64_t value = 0;
    for (size_t i = 5; i > 0; --i) value = value << 6 | ValueOf(text[at + i - 1]);
    return value;
  };
  const uint32_t n = ValueOf(text[3]);
  if (!IsAffordable(n, number(4), number(9)) || !IsSaltAndHash(text.substr(14))) return Damaged("scrypt");
  return Accept(text, (size_t{128} * number(4)) << n);
}

}  // namespace

std::optional<ParsedHash> ParseCryptHash(absl::string_view text) {
  for (const absl::string_view prefix : {"$2a$", "$2b$", "$2y$"}) {
    if (absl::StartsWith(text, prefix)) return ParseBcrypt(text);
  }
  if (absl::StartsWith(text, "$6$")) return ParseSha512(text);
  if (absl::StartsWith(text, "$y$")) return ParseYescrypt(text);
  if (absl::StartsWith(text, "$7$")) return ParseScrypt(text);
  return std::nullopt;
}

}  // namespace watchword
