#include "server/domain/passwords.h"

#include <string.h>
#include <unicode/uchar.h>
#include <zxcvbn.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/domain/names.h"
#include "server/domain/precis.h"

namespace watchword {
namespace {

// The logarithm to base 2 of how many guesses a password must withstand, in the order of likelihood: about a thousand
// million. Guesses come through Login, which is slowed down; against a stolen hash only length helps.
constexpr double kLeastGuessBits = 30;

// A shorter part of a name says nothing.
constexpr size_t kLeastWordSize = 3;

// What guessers of this user's password at this server would try first.
std::vector<std::string> WordsOfTheDay(absl::string_view username, absl::string_view issuer) {
  std::vector<std::string> words = {"watchword", std::string(username), absl::AsciiStrToLower(issuer)};
  for (const std::string& name : {words[1], words[2]}) {
    for (const absl::string_view part : absl::StrSplit(name, absl::ByAnyChar("@:/."))) words.emplace_back(part);
  }
  words.erase(std::remove_if(words.begin(), words.end(), [](const auto& word) { return word.size() < kLeastWordSize; }),
              words.end());
  return words;
}

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

absl::Status CheckNotCommon(const Secret& canonical, absl::string_view username, absl::string_view issuer) {
  const absl::Status refused =
      absl::InvalidArgumentError("a password must not be a common one, nor made of words that guessers try first");
  // Also in other letters than zxcvbn knows, and in full width.
  if (const auto name = CanonicalUsername(canonical.Reveal()); name.ok() && *name == username) return refused;
  const std::vector<std::string> words = WordsOfTheDay(username, issuer);
  std::vector<const char*> dictionary;
  dictionary.reserve(words.size() + 1);
  for (const std::string& word : words) dictionary.push_back(word.c_str());
  dictionary.push_back(nullptr);
  std::string text(canonical.Reveal());  // ends with a NUL, and has none within, being canonical
  const double bits = ZxcvbnMatch(text.c_str(), dictionary.data(), nullptr);
  Secret::Wipe(text);
  return bits < kLeastGuessBits ? refused : absl::OkStatus();
}

}  // namespace watchword
