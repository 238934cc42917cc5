#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace watchword {

// The part of RFC 8264 (PRECIS) that names and passwords share. ICU decides which version of Unicode is meant.

// The code points of `text`, or nothing unless it is well-formed UTF-8 (RFC 3629). Allocates once.
std::optional<std::u32string> DecodeUtf8(absl::string_view text);

// The reverse. `text` holds no surrogates.
std::string EncodeUtf8(const std::u32string& text);

// Well-formed UTF-8 in Unicode Normalization Form C. Allocates once.
std::string NormalizeNfc(absl::string_view utf8);

// The string classes of RFC 8264 section 4.
enum class StringClass { kIdentifier, kFreeform };

// The place of the first code point that the class does not allow where it stands (RFC 8264 section 8, contextual rules
// of RFC 5892 appendix A), or std::u32string::npos.
size_t FindDisallowed(const std::u32string& text, StringClass string_class);

// Whether `text` satisfies the Bidi Rule (RFC 5893 section 2), as every text without right-to-left characters does.
bool SatisfiesBidiRule(const std::u32string& text);

}  // namespace watchword
