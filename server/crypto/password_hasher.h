#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/base/random.h"
#include "watchword/base/secret.h"

namespace watchword {

// Hashes passwords with Argon2id (RFC 9106), stored as PHC strings ("$argon2id$v=19$m=19456,t=2,p=1$salt$hash").
// Slow and memory-hungry by design: call it from the hashing executor only.
//
// Thread-safe.
class PasswordHasher {
 public:
  struct Cost {
    uint32_t memory_kib = 19'456;  // 19 MiB
    uint32_t passes = 2;
  };

  // Borrows `random`, which must outlive this. INVALID_ARGUMENT if `cost` is below 8 MiB × 1 pass or above 1 GiB or 64
  // passes. Takes as long as one hash.
  static absl::StatusOr<PasswordHasher> Create(Cost cost, RandomSource& random);

  // The PHC string of a new hash with a fresh salt of 16 bytes. RESOURCE_EXHAUSTED if memory is short.
  absl::StatusOr<std::string> Hash(const Secret& password) const;

  // Whether `password` is the one behind `phc`. FAILED_PRECONDITION, without hashing, if `phc` is not an Argon2id PHC
  // string, or asks for more than 1 GiB or 64 passes (a damaged or planted row must not take the server down): raise an
  // alarm and refuse. RESOURCE_EXHAUSTED if memory is short.
  absl::StatusOr<bool> Verify(const Secret& password, absl::string_view phc) const;

  // The PHC string of an unguessable password under the live cost: verifying against it takes as long as against a real
  // one, and is never right. For accounts that do not exist.
  const std::string& dummy_hash() const { return dummy_hash_; }

  // Whether `phc` was made with a lower cost than is wanted now.
  bool NeedsRehash(absl::string_view phc) const;

 private:
  PasswordHasher(Cost cost, RandomSource& random) : cost_(cost), random_(&random) {}

  Cost cost_;
  RandomSource* random_;
  std::string dummy_hash_;
};

}  // namespace watchword
