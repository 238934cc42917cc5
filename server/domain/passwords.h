#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/base/secret.h"

namespace watchword {

// The largest password that is looked at, in bytes as sent.
inline constexpr size_t kMaxPasswordSize = 1024;

// The canonical form of a password (RFC 8265 OpaqueString: other spaces become a space, NFC, no control characters), so
// that a password typed on two keyboards is one password. INVALID_ARGUMENT if it is too long, empty, or not allowed
// there.
absl::StatusOr<Secret> CanonicalPassword(absl::string_view password);

// Whether a canonical password may be set: INVALID_ARGUMENT, saying why, if it has fewer than `min_characters`
// characters (code points).
absl::Status CheckNewPassword(const Secret& canonical, size_t min_characters);

}  // namespace watchword
