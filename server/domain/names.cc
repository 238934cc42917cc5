#include "server/domain/names.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/domain/precis.h"

namespace watchword {
namespace {

constexpr size_t kMaxSize = 255;

// Mapping shrinks a name to no less than a third of its bytes (U+FF41 to "a", conjoining jamo to a Hangul syllable), so
// that a longer name cannot become short enough, and is not worth the work.
constexpr size_t kMaxRawSize = 3 * kMaxSize;

// RFC 8264 section 7: if a string still changes after three more passes, it is refused.
constexpr int kMaxPasses = 4;

// The compatibility decomposition of a fullwidth or halfwidth code point, or the code point itself.
void AppendWidthMapped(char32_t code_point, const icu::Normalizer2& nfkc, icu::UnicodeString& out) {
  const auto c = static_cast<UChar32>(code_point);
  const int32_t type = u_getIntPropertyValue(c, UCHAR_DECOMPOSITION_TYPE);
  icu::UnicodeString mapped;
  if ((type == U_DT_WIDE || type == U_DT_NARROW) && nfkc.getRawDecomposition(c, mapped)) {
    out.append(mapped);
  } else {
    out.append(c);
  }
}

// RFC 8265 section 3.3.1: the width, case and normalization rules, once.
std::u32string MapOnce(const std::u32string& name) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfkc = icu::Normalizer2::getNFKCInstance(error);
  if (U_FAILURE(error)) std::abort();  // ICU is installed without its data
  icu::UnicodeString mapped;
  for (const char32_t c : name) AppendWidthMapped(c, *nfkc, mapped);
  mapped.toLower(icu::Locale::getRoot());
  std::string utf8;
  mapped.toUTF8String(utf8);
  return *DecodeUtf8(NormalizeNfc(utf8));
}

std::optional<std::u32string> MapUntilStable(std::u32string name) {
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    std::u32string mapped = MapOnce(name);
    if (mapped == name) return name;
    name = std::move(mapped);
  }
  return std::nullopt;
}

bool IsValidSize(size_t size) { return size >= 1 && size <= kMaxSize; }

absl::Status SizeError(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(what, " must have 1 to ", kMaxSize, " bytes"));
}

bool IsVisibleAscii(char c) { return c >= 0x21 && c <= 0x7e; }

}  // namespace

// The string class is checked last, on what the rules made of the name, in the order of RFC 8264 section 7: a name
// typed on a system that decomposes (NFD) is the same name, though conjoining jamo as such are not allowed.
absl::StatusOr<std::string> CanonicalUsername(absl::string_view name) {
  if (name.size() > kMaxRawSize) return SizeError("a user name");
  auto code_points = DecodeUtf8(name);
  if (!code_points) return absl::InvalidArgumentError("a user name must be UTF-8");
  const auto mapped = MapUntilStable(*std::move(code_points));
  if (!mapped) return absl::InvalidArgumentError("the user name has no stable canonical form");
  if (const size_t i = FindDisallowed(*mapped, StringClass::kIdentifier); i != std::u32string::npos) {
    return absl::InvalidArgumentError(absl::StrFormat("the character U+%04X is not allowed there in a user name",
                                                      static_cast<uint32_t>((*mapped)[i])));
  }
  if (!SatisfiesBidiRule(*mapped)) {
    return absl::InvalidArgumentError("the user name mixes directions of writing (RFC 5893 section 2)");
  }
  std::string canonical = EncodeUtf8(*mapped);
  if (!IsValidSize(canonical.size())) return SizeError("a user name");
  return canonical;
}

absl::Status CheckScope(absl::string_view scope) {
  if (!IsValidSize(scope.size())) return SizeError("a scope");
  const bool valid =
      std::all_of(scope.begin(), scope.end(), [](char c) { return IsVisibleAscii(c) && c != '"' && c != '\\'; });
  if (valid) return absl::OkStatus();
  return absl::InvalidArgumentError("a scope must be visible ASCII without \" and \\ (RFC 6749 section 3.3)");
}

absl::Status CheckAudience(absl::string_view audience) {
  if (!IsValidSize(audience.size())) return SizeError("an audience");
  if (std::all_of(audience.begin(), audience.end(), IsVisibleAscii)) return absl::OkStatus();
  return absl::InvalidArgumentError("an audience must be visible ASCII");
}

}  // namespace watchword
