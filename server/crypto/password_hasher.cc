#include "server/crypto/password_hasher.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/crypto/password_argon2.h"
#include "server/crypto/password_formats.h"

namespace watchword {
namespace {

constexpr uint32_t kMinMemoryKib = 8 * 1024;
constexpr size_t kMaxStoredSize = 255;  // what the stores keep

absl::StatusOr<Secret> RandomBytes(size_t size, RandomSource& random) {
  std::string bytes(size, '\0');
  if (auto status = random.Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes.data()), size)); !status.ok()) {
    return status;
  }
  return Secret(std::move(bytes));
}

ParsedHash Parse(absl::string_view stored, size_t max_memory) {
  if (stored.size() > kMaxStoredSize) return absl::FailedPreconditionError("the password hash has more than 255 bytes");
  std::optional<ParsedHash> parsed;
  if (auto argon2 = Argon2Hash::Parse(stored); argon2.has_value()) {
    parsed = argon2->ok() ? ParsedHash(std::make_unique<Argon2Hash>(**std::move(argon2))) : argon2->status();
  }
  if (!parsed) parsed = ParseCryptHash(stored);
  if (!parsed) parsed = ParseKdfHash(stored);
  if (!parsed) return absl::FailedPreconditionError("the password hash is of no scheme that is known here");
  if (parsed->ok() && (**parsed)->memory() > max_memory) {
    return absl::FailedPreconditionError(
        absl::StrCat("the password hash takes ", (**parsed)->memory(), " bytes of memory, more than is allowed"));
  }
  return *std::move(parsed);
}

// Of this thread: how long it was kept waiting is not its doing, and befalls all hashes alike.
int64_t ProcessorTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Computes something that nobody wants, in steps that are short against any hash.
void IdleUntil(int64_t processor_time) {
  std::array<unsigned char, 4096> block{};
  while (ProcessorTime() < processor_time) {
    crypto_generichash(block.data(), crypto_generichash_BYTES, block.data(), block.size(), nullptr, 0);
  }
}

}  // namespace

absl::StatusOr<PasswordHasher> PasswordHasher::Create(Cost cost, RandomSource& random, size_t max_memory) {
  static const int initialized = sodium_init();
  if (initialized < 0) return absl::InternalError("libsodium cannot start");
  if (cost.memory_kib < kMinMemoryKib || cost.memory_kib > Argon2Hash::kMaxMemoryKib) {
    return absl::InvalidArgumentError("the memory for hashing a password must be 8 MiB to 1 GiB");
  }
  if (cost.passes < 1 || cost.passes > Argon2Hash::kMaxPasses) {
    return absl::InvalidArgumentError("the passes for hashing a password must be 1 to 64");
  }
  if (uint64_t{cost.memory_kib} * cost.passes > Argon2Hash::kMaxWorkKib) {
    return absl::InvalidArgumentError("hashing a password must be at most 4 GiB × passes");
  }
  PasswordHasher hasher(cost, random, max_memory);
  if (hasher.memory() > max_memory) {
    return absl::InvalidArgumentError("the memory for hashing a password is more than the budget for all");
  }
  const auto nobodys_password = RandomBytes(Argon2Hash::kOwnHashSize, random);
  if (!nobodys_password.ok()) return nobodys_password.status();
  auto dummy_hash = hasher.Hash(*nobodys_password);
  if (!dummy_hash.ok()) return dummy_hash.status();
  hasher.dummy_hash_ = *std::move(dummy_hash);
  if (auto measured = hasher.Verify(*nobodys_password, hasher.dummy_hash_); !measured.ok()) return measured.status();
  return hasher;
}

absl::StatusOr<std::string> PasswordHasher::Hash(const Secret& password) const {
  const auto salt = RandomBytes(Argon2Hash::kOwnSaltSize, *random_);
  if (!salt.ok()) return salt.status();
  return Argon2Hash::Make(password, salt->Reveal(), {.memory_kib = cost_.memory_kib, .passes = cost_.passes});
}

absl::StatusOr<bool> PasswordHasher::Verify(const Secret& password, absl::string_view stored) const {
  const ParsedHash parsed = Parse(stored, max_memory_);
  if (!parsed.ok()) return parsed.status();
  const int64_t began = ProcessorTime();
  absl::StatusOr<bool> right = (*parsed)->Matches(password);
  if (!right.ok()) return right;
  const auto* argon2 = dynamic_cast<const Argon2Hash*>(parsed->get());
  if (argon2 != nullptr && argon2->is_own_form() && argon2->cost().memory_kib == cost_.memory_kib &&
      argon2->cost().passes == cost_.passes) {
    live_time_->store(ProcessorTime() - began, std::memory_order_relaxed);
  } else {
    IdleUntil(began + live_time_->load(std::memory_order_relaxed));
  }
  return right;
}

absl::Status PasswordHasher::CheckStored(absl::string_view stored) const { return Parse(stored, max_memory_).status(); }

size_t PasswordHasher::MemoryFor(absl::string_view stored) const {
  const ParsedHash parsed = Parse(stored, max_memory_);
  return parsed.ok() ? std::max((*parsed)->memory(), memory()) : memory();
}

bool PasswordHasher::NeedsRehash(absl::string_view stored) const {
  const auto argon2 = Argon2Hash::Parse(stored);
  if (!argon2.has_value() || !argon2->ok() || !(*argon2)->is_own_form()) return CheckStored(stored).ok();
  const Argon2Cost& cost = (*argon2)->cost();
  return cost.memory_kib < cost_.memory_kib || cost.passes < cost_.passes;
}

}  // namespace watchword
