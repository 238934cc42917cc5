#include "server/domain/passwords.h"

#include <string.h>
#include <unicode/uchar.h>

#include <algorithm>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/domain/precis.h"

namespace watchword {
namespace {

void Wipe(std::u32string& text) { explicit_bzero(text.data(), text.size() * sizeof(char32_t)); }

bool IsSpace(char32_t c) { return u_charType(static_cast<UChar32>(c)) == U_SPACE_SEPARATOR; }

bool IsAllowed(const Secret& password) {
  std::u32string code_points = *DecodeUtf8(password.Reveal());
  const absl::Cleanup wipe_it = [&code_points] { Wipe(code_points); };
  return FindDisallowed(code_points, StringClass::kFreeform) == std::u32string::npos;
}

}  // namespace

absl::StatusOr<Secret> CanonicalPassword(absl::string_view password) {
  if (password.empty()) return absl::InvalidArgumentError("a password must not be empty");
  if (password.size() > kMaxPasswordSize) {
    return absl::InvalidArgumentError(absl::StrCat("a password must have at most ", kMaxPasswordSize, " bytes"));
  }
  auto code_points = DecodeUtf8(password);
  if (!code_points) return absl::InvalidArgumentError("a password must be UTF-8");
  const absl::Cleanup wipe_it = [&code_points] { Wipe(*code_points); };
  std::replace_if(code_points->begin(), code_points->end(), IsSpace, U' ');
  const Secret mapped(EncodeUtf8(*code_points));
  // Normalized before it is checked (RFC 8264 section 7): a system that decomposes sends jamo, which are not allowed.
  Secret canonical(NormalizeNfc(mapped.Reveal()));
  if (!IsAllowed(canonical)) {
    return absl::InvalidArgumentError("a password must not hold control, invisible or unassigned characters");
  }
  return canonical;
}

absl::Status CheckNewPassword(const Secret& canonical, size_t min_characters) {
  const absl::string_view bytes = canonical.Reveal();
  const auto characters = static_cast<size_t>(
      std::count_if(bytes.begin(), bytes.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
  if (characters >= min_characters) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a password must have at least ", min_characters, " characters"));
}

}  // namespace watchword
