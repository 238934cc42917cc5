#include "server/domain/precis.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace watchword {
namespace {

constexpr char32_t kZeroWidthNonJoiner = 0x200c;
constexpr char32_t kZeroWidthJoiner = 0x200d;
constexpr int32_t kVirama = 9;  // a Canonical_Combining_Class

// The derived properties of RFC 8264 section 8: PVALID, FREE_PVAL, CONTEXTJ or CONTEXTO, and the rest.
enum class Property { kValid, kFreeformOnly, kContextual, kDisallowed };

bool IsIn(char32_t c, char32_t first, char32_t last) { return first <= c && c <= last; }
bool IsArabicIndicDigit(char32_t c) { return IsIn(c, 0x660, 0x669); }
bool IsExtendedArabicIndicDigit(char32_t c) { return IsIn(c, 0x6f0, 0x6f9); }

// RFC 8264 section 9.6, the same as RFC 5892 section 2.6.
std::optional<Property> ExceptionFor(char32_t c) {
  if (IsArabicIndicDigit(c) || IsExtendedArabicIndicDigit(c)) return Property::kContextual;
  if (IsIn(c, 0x302e, 0x302f) || IsIn(c, 0x3031, 0x3035)) return Property::kDisallowed;
  switch (c) {
    case 0xdf:
    case 0x3c2:
    case 0x6fd:
    case 0x6fe:
    case 0xf0b:
    case 0x3007:
      return Property::kValid;
    case 0xb7:
    case 0x375:
    case 0x5f3:
    case 0x5f4:
    case 0x30fb:
      return Property::kContextual;
    case 0x640:
    case 0x7fa:
    case 0x303b:
      return Property::kDisallowed;
    default:
      return std::nullopt;
  }
}

bool IsOldHangulJamo(UChar32 c) {
  const int32_t type = u_getIntPropertyValue(c, UCHAR_HANGUL_SYLLABLE_TYPE);
  return type == U_HST_LEADING_JAMO || type == U_HST_VOWEL_JAMO || type == U_HST_TRAILING_JAMO;
}

bool IsIgnorable(UChar32 c) {
  return u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) || U_IS_UNICODE_NONCHAR(c);
}

bool HasCompatibilityForm(UChar32 c) { return u_getIntPropertyValue(c, UCHAR_NFKC_QUICK_CHECK) == UNORM_NO; }

// In the order of RFC 8264 section 8. Unassigned code points, controls and private use reach the end.
Property PropertyOf(char32_t code_point) {
  if (const auto exception = ExceptionFor(code_point)) return *exception;
  if (IsIn(code_point, 0x21, 0x7e)) return Property::kValid;
  if (code_point == kZeroWidthNonJoiner || code_point == kZeroWidthJoiner) return Property::kContextual;
  const auto c = static_cast<UChar32>(code_point);
  if (IsOldHangulJamo(c) || IsIgnorable(c)) return Property::kDisallowed;
  if (HasCompatibilityForm(c)) return Property::kFreeformOnly;
  constexpr uint32_t kLetterDigits =
      U_GC_LL_MASK | U_GC_LU_MASK | U_GC_LO_MASK | U_GC_LM_MASK | U_GC_ND_MASK | U_GC_MN_MASK | U_GC_MC_MASK;
  constexpr uint32_t kOthers = U_GC_LT_MASK | U_GC_NL_MASK | U_GC_NO_MASK | U_GC_ME_MASK | U_GC_ZS_MASK |
                               static_cast<uint32_t>(U_GC_S_MASK) | static_cast<uint32_t>(U_GC_P_MASK);
  const uint32_t category = U_GET_GC_MASK(c);
  if ((category & kLetterDigits) != 0) return Property::kValid;
  if ((category & kOthers) != 0) return Property::kFreeformOnly;
  return Property::kDisallowed;
}

bool HasScript(char32_t c, UScriptCode script) {
  UErrorCode error = U_ZERO_ERROR;
  return uscript_getScript(static_cast<UChar32>(c), &error) == script;
}

int32_t JoiningType(char32_t c) { return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_JOINING_TYPE); }

bool FollowsVirama(const std::u32string& text, size_t i) {
  return i > 0 && u_getCombiningClass(static_cast<UChar32>(text[i - 1])) == kVirama;
}

// RFC 5892 appendix A.1: breaks a cursive connection that there would be without it.
bool BreaksJoin(const std::u32string& text, size_t i) {
  size_t before = i;
  while (before > 0 && JoiningType(text[before - 1]) == U_JT_TRANSPARENT) --before;
  if (before == 0) return false;
  const int32_t left = JoiningType(text[before - 1]);
  if (left != U_JT_LEFT_JOINING && left != U_JT_DUAL_JOINING) return false;
  size_t after = i + 1;
  while (after < text.size() && JoiningType(text[after]) == U_JT_TRANSPARENT) ++after;
  if (after == text.size()) return false;
  const int32_t right = JoiningType(text[after]);
  return right == U_JT_RIGHT_JOINING || right == U_JT_DUAL_JOINING;
}

bool HasJapaneseOrHan(const std::u32string& text) {
  return std::any_of(text.begin(), text.end(), [](char32_t c) {
    return HasScript(c, USCRIPT_HIRAGANA) || HasScript(c, USCRIPT_KATAKANA) || HasScript(c, USCRIPT_HAN);
  });
}

// The rules of RFC 5892 appendix A.
bool ContextAllows(const std::u32string& text, size_t i) {
  const char32_t c = text[i];
  const bool has_before = i > 0;
  const bool has_after = i + 1 < text.size();
  if (IsArabicIndicDigit(c)) return std::none_of(text.begin(), text.end(), IsExtendedArabicIndicDigit);
  if (IsExtendedArabicIndicDigit(c)) return std::none_of(text.begin(), text.end(), IsArabicIndicDigit);
  switch (c) {
    case kZeroWidthNonJoiner:
      return FollowsVirama(text, i) || BreaksJoin(text, i);
    case kZeroWidthJoiner:
      return FollowsVirama(text, i);
    case 0xb7:  // MIDDLE DOT, as in Catalan
      return has_before && has_after && text[i - 1] == 'l' && text[i + 1] == 'l';
    case 0x375:  // GREEK LOWER NUMERAL SIGN
      return has_after && HasScript(text[i + 1], USCRIPT_GREEK);
    case 0x5f3:  // HEBREW PUNCTUATION GERESH
    case 0x5f4:  // HEBREW PUNCTUATION GERSHAYIM
      return has_before && HasScript(text[i - 1], USCRIPT_HEBREW);
    case 0x30fb:  // KATAKANA MIDDLE DOT, itself of no script
      return HasJapaneseOrHan(text);
    default:
      return false;
  }
}

bool IsAllowed(const std::u32string& text, size_t i, StringClass string_class) {
  switch (PropertyOf(text[i])) {
    case Property::kValid:
      return true;
    case Property::kFreeformOnly:
      return string_class == StringClass::kFreeform;
    case Property::kContextual:
      return ContextAllows(text, i);
    case Property::kDisallowed:
      return false;
  }
  return false;
}

uint64_t DirectionBit(char32_t c) { return uint64_t{1} << u_charDirection(static_cast<UChar32>(c)); }

}  // namespace

std::optional<std::u32string> DecodeUtf8(absl::string_view text) {
  std::u32string code_points;
  code_points.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U8_NEXT(text.data(), i, text.size(), c);
    if (c < 0) return std::nullopt;
    code_points.push_back(static_cast<char32_t>(c));
  }
  return code_points;
}

std::string EncodeUtf8(const std::u32string& text) {
  std::string utf8(text.size() * U8_MAX_LENGTH, '\0');
  size_t size = 0;
  for (const char32_t c : text) U8_APPEND_UNSAFE(utf8.data(), size, static_cast<UChar32>(c));
  utf8.resize(size);
  return utf8;
}

std::string NormalizeNfc(absl::string_view utf8) {
  std::string normalized(utf8.size() * 3, '\0');  // UAX #15: in UTF-8, NFC is never more than three times as long
  icu::CheckedArrayByteSink sink(normalized.data(), static_cast<int32_t>(normalized.size()));
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(error);
  if (U_SUCCESS(error)) {
    nfc->normalizeUTF8(0, icu::StringPiece(utf8.data(), static_cast<int32_t>(utf8.size())), sink, nullptr, error);
  }
  if (U_FAILURE(error) || sink.Overflowed()) std::abort();  // only without memory: the data is compiled into ICU
  normalized.resize(static_cast<size_t>(sink.NumberOfBytesWritten()));
  return normalized;
}

size_t FindDisallowed(const std::u32string& text, StringClass string_class) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (!IsAllowed(text, i, string_class)) return i;
  }
  return std::u32string::npos;
}

bool SatisfiesBidiRule(const std::u32string& text) {
  constexpr uint64_t kLetters = U_MASK(U_RIGHT_TO_LEFT) | U_MASK(U_RIGHT_TO_LEFT_ARABIC);
  constexpr uint64_t kArabicNumber = U_MASK(U_ARABIC_NUMBER);
  constexpr uint64_t kEuropeanNumber = U_MASK(U_EUROPEAN_NUMBER);
  constexpr uint64_t kNonspacing = U_MASK(U_DIR_NON_SPACING_MARK);
  constexpr uint64_t kAllowed = kLetters | kArabicNumber | kEuropeanNumber | kNonspacing |
                                U_MASK(U_EUROPEAN_NUMBER_SEPARATOR) | U_MASK(U_COMMON_NUMBER_SEPARATOR) |
                                U_MASK(U_EUROPEAN_NUMBER_TERMINATOR) | U_MASK(U_OTHER_NEUTRAL) |
                                U_MASK(U_BOUNDARY_NEUTRAL);
  uint64_t seen = 0;
  for (const char32_t c : text) seen |= DirectionBit(c);
  if ((seen & (kLetters | kArabicNumber)) == 0) return true;

  // A left-to-right text may hold nothing of the other direction (condition 5), so this one must be right-to-left.
  if ((DirectionBit(text.front()) & kLetters) == 0) return false;                  // condition 1
  if ((seen & ~kAllowed) != 0) return false;                                       // condition 2
  if ((seen & kArabicNumber) != 0 && (seen & kEuropeanNumber) != 0) return false;  // condition 4
  size_t end = text.size();
  while ((DirectionBit(text[end - 1]) & kNonspacing) != 0) --end;                            // ends at the first letter
  return (DirectionBit(text[end - 1]) & (kLetters | kArabicNumber | kEuropeanNumber)) != 0;  // condition 3
}

}  // namespace watchword
