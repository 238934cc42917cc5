#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/base/random.h"
#include "watchword/base/secret.h"

namespace watchword {

// Encrypts `plaintext` with AES-256-GCM under a 32-byte key: version (1 byte) ‖ nonce (12) ‖ ciphertext ‖ tag (16).
// `label` says what it is; opening needs the same label, so that sealed values cannot be swapped. Each seal
// takes a nonce of its own. INTERNAL if there is no randomness, FAILED_PRECONDITION if the key has not 32 bytes.
absl::StatusOr<std::string> Seal(const Secret& key, absl::string_view label, const Secret& plaintext,
                                 RandomSource& random);

// The reverse. FAILED_PRECONDITION if the key or label is another, or the value was changed.
absl::StatusOr<Secret> Unseal(const Secret& key, absl::string_view label, absl::string_view sealed);

}  // namespace watchword
