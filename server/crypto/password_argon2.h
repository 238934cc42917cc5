#pragma once

#include <optional>

#include "server/crypto/password_formats.h"

namespace watchword {

// The parameters of Argon2id (RFC 9106).
struct Argon2Cost {
  uint32_t memory_kib = 0;
  uint32_t passes = 0;
  uint32_t lanes = 1;
};

// An Argon2id hash in the PHC format, "$argon2id$v=19$m=19456,t=2,p=1$salt$hash". Immutable, hence thread-safe.
class Argon2Hash final : public StoredHash {
 public:
  static constexpr size_t kOwnSaltSize = 16;
  static constexpr size_t kOwnHashSize = 32;
  static constexpr uint32_t kMaxMemoryKib = 1024 * 1024;
  static constexpr uint32_t kMaxPasses = 64;
  static constexpr uint32_t kMaxLanes = 64;
  // Of memory × passes: some seconds on one core.
  static constexpr uint64_t kMaxWorkKib = 4 * 1024 * 1024;

  // As ParseCryptHash.
  static std::optional<absl::StatusOr<Argon2Hash>> Parse(absl::string_view text);

  // The PHC form of a new hash of `password`, in one lane.
  static absl::StatusOr<std::string> Make(const Secret& password, absl::string_view salt, const Argon2Cost& cost);

  absl::StatusOr<bool> Matches(const Secret& password) const override;
  size_t memory() const override { return size_t{cost_.memory_kib} * 1024; }

  const Argon2Cost& cost() const { return cost_; }
  // Whether it is of the form that Make writes, whatever its cost.
  bool is_own_form() const { return cost_.lanes == 1 && salt_.size() == kOwnSaltSize && hash_.size() == kOwnHashSize; }

 private:
  Argon2Hash() = default;

  Argon2Cost cost_;
  std::string salt_;
  std::string hash_;
};

}  // namespace watchword
