#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/base/random.h"
#include "watchword/base/secret.h"

namespace watchword {

// Hashes passwords with Argon2id (RFC 9106), stored as PHC strings ("$argon2id$v=19$m=19456,t=2,p=1$salt$hash"), and
// verifies these and the hashes of other systems: Argon2id with other parameters, bcrypt, sha512-crypt, yescrypt,
// scrypt, PBKDF2. Slow and memory-hungry by design: call Hash and Verify from the hashing executor only.
//
// How long Verify takes must not tell whose password it is: a hash that is cheaper than those that are made now,
// because it is older or from elsewhere, is followed by idle work until the thread has used as much processor time as
// the last hash of the live cost did. One that costs more than the live cost takes longer; nothing can be done about
// that but to set a higher cost.
//
// Thread-safe.
class PasswordHasher {
 public:
  struct Cost {
    uint32_t memory_kib = 19'456;  // 19 MiB
    uint32_t passes = 2;
  };

  // Borrows `random`, which must outlive this. `max_memory`: how many bytes a stored hash may ask for. INVALID_ARGUMENT
  // if `cost` is below 8 MiB × 1 pass, above 1 GiB, 64 passes or 4 GiB × passes, or takes more than `max_memory`. Takes
  // as long as two hashes.
  static absl::StatusOr<PasswordHasher> Create(Cost cost, RandomSource& random, size_t max_memory = size_t{1} << 30);

  // The PHC string of a new hash with a fresh salt of 16 bytes. RESOURCE_EXHAUSTED if memory is short.
  absl::StatusOr<std::string> Hash(const Secret& password) const;

  // Whether `password` is the one behind `stored`. FAILED_PRECONDITION as CheckStored: raise an alarm and refuse.
  // RESOURCE_EXHAUSTED if memory is short.
  absl::StatusOr<bool> Verify(const Secret& password, absl::string_view stored) const;

  // Whether Verify can do anything with `stored`, without hashing: FAILED_PRECONDITION, saying why, if it is of no
  // scheme that is known here, is damaged, or asks for absurd work or more memory than is allowed (a damaged or planted
  // row must not take the server down).
  absl::Status CheckStored(absl::string_view stored) const;

  // How many bytes of memory Verify or Hash of `stored`'s password take at most.
  size_t MemoryFor(absl::string_view stored) const;
  // The same of a new hash.
  size_t memory() const { return size_t{cost_.memory_kib} * 1024; }

  // The PHC string of an unguessable password under the live cost: verifying against it takes as long as against a real
  // one, and is never right. For accounts that do not exist.
  const std::string& dummy_hash() const { return dummy_hash_; }

  // Whether `stored` was made with a lower cost than is wanted now, or by another system.
  bool NeedsRehash(absl::string_view stored) const;

 private:
  PasswordHasher(Cost cost, RandomSource& random, size_t max_memory)
      : cost_(cost), random_(&random), max_memory_(max_memory) {}

  Cost cost_;
  RandomSource* random_;
  size_t max_memory_;
  std::string dummy_hash_;
  // Nanoseconds of processor time that the last verification at the live cost took. On the heap so that this can move.
  std::unique_ptr<std::atomic<int64_t>> live_time_ = std::make_unique<std::atomic<int64_t>>(0);
};

}  // namespace watchword
