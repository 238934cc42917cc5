#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace watchword {

// Base64url without padding (RFC 4648 section 5, as RFC 7515 section 2 uses it).
std::string Base64UrlEncode(absl::string_view bytes);

// The reverse, strict: INVALID_ARGUMENT for a character outside the alphabet (so also for "=", "+", "/" and white
// space), for a length that no encoding has, and for a last character whose unused bits are not zero. Each byte string
// thus has exactly one encoding. (absl::WebSafeBase64Unescape accepts padding, white space and unused bits.)
absl::StatusOr<std::string> Base64UrlDecode(absl::string_view text);

}  // namespace watchword
