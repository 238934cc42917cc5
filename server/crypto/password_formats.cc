#include "server/crypto/password_formats.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "watchword/base/base64url.h"

namespace watchword {

bool ConsumeNumber(absl::string_view* text, uint32_t max, uint32_t* number) {
  const size_t size = std::min(text->find_first_not_of("0123456789"), text->size());
  const absl::string_view digits = text->substr(0, size);
  if (digits.empty() || digits[0] == '0' || !absl::SimpleAtoi(digits, number) || *number > max) return false;
  text->remove_prefix(size);
  return true;
}

absl::string_view ConsumeField(absl::string_view* text) {
  const size_t size = std::min(text->find('$'), text->size());
  const absl::string_view field = text->substr(0, size);
  text->remove_prefix(std::min(size + 1, text->size()));
  return field;
}

std::optional<std::string> DecodeBase64(absl::string_view text, size_t least, size_t most) {
  if (text.size() > (most * 4 + 2) / 3 || text.find_first_of("-_") != absl::string_view::npos) return std::nullopt;
  std::string url(text);
  std::replace(url.begin(), url.end(), '+', '-');
  std::replace(url.begin(), url.end(), '/', '_');
  auto bytes = Base64UrlDecode(url);
  if (!bytes.ok() || bytes->size() < least || bytes->size() > most) return std::nullopt;
  return *std::move(bytes);
}

std::string EncodeBase64(absl::string_view bytes) {
  std::string text = Base64UrlEncode(bytes);
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  return text;
}

}  // namespace watchword
