#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/crypto/password_hasher.h"
#include "watchword/base/random.h"

namespace watchword {

// Chooses how much hashing a password shall cost on this machine.

// How long one hash of this cost takes.
using MeasureHash = absl::FunctionRef<absl::StatusOr<absl::Duration>(const PasswordHasher::Cost&)>;

// The cost whose hash takes about `wanted` and no more: with as much memory as `max_memory_kib` allows, since memory is
// what makes guessing dear for whoever has special machines (RFC 9106 section 4), and then as many passes as fit. Never
// less than 19 MiB × 2 passes, whatever that takes, nor more than 1 GiB or 64 passes. An error of `measure`.
absl::StatusOr<PasswordHasher::Cost> ChooseHashCost(absl::Duration wanted, uint32_t max_memory_kib,
                                                    MeasureHash measure);

// The median time of hashes of this cost while `at_once` threads do nothing else, as in a server that is busy with
// logins. The errors of PasswordHasher.
absl::StatusOr<absl::Duration> MeasureHashes(const PasswordHasher::Cost& cost, size_t at_once, RandomSource& random);

}  // namespace watchword
