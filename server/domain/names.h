#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace watchword {

// The canonical form of a user name (RFC 8265 UsernameCaseMapped: width mapping, lower case, NFC, bidi rule, the
// IdentifierClass of RFC 8264). It is the key of look-up, throttling and logs, compared byte by byte. Two names are one
// account exactly if their canonical forms are equal. INVALID_ARGUMENT, saying what is wrong with it, unless it is
// valid UTF-8 and its canonical form has 1 to 255 bytes.
absl::StatusOr<std::string> CanonicalUsername(absl::string_view name);

// INVALID_ARGUMENT unless it is a scope-token of RFC 6749 section 3.3 (visible ASCII but `"` and `\`) of 1 to 255
// bytes.
absl::Status CheckScope(absl::string_view scope);

// INVALID_ARGUMENT unless it is 1 to 255 visible ASCII characters.
absl::Status CheckAudience(absl::string_view audience);

}  // namespace watchword
