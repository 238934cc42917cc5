#include "watchword/base/base64url.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/escaping.h"

namespace watchword {
namespace {

constexpr uint8_t kNone = 0xff;

constexpr std::array<uint8_t, 256> MakeTable() {
  std::array<uint8_t, 256> table{};
  for (auto& entry : table) entry = kNone;
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (uint8_t i = 0; i < 64; ++i) table[static_cast<uint8_t>(kAlphabet[i])] = i;
  return table;
}

constexpr std::array<uint8_t, 256> kTable = MakeTable();

}  // namespace

std::string Base64UrlEncode(absl::string_view bytes) { return absl::WebSafeBase64Escape(bytes); }

absl::StatusOr<std::string> Base64UrlDecode(absl::string_view text) {
  if (text.size() % 4 == 1) return absl::InvalidArgumentError("no base64url text has this length");
  std::string bytes(text.size() * 3 / 4, '\0');
  char* out = bytes.data();
  uint32_t seen = 0;  // every value that was looked up: kNone leaves its mark, and is looked for once, at the end
  const auto value = [&](size_t i) -> uint32_t {
    const uint8_t found = kTable[static_cast<uint8_t>(text[i])];
    seen |= found;
    return found;
  };
  size_t i = 0;
  for (; i + 4 <= text.size(); i += 4) {
    const uint32_t bits = value(i) << 18 | value(i + 1) << 12 | value(i + 2) << 6 | value(i + 3);
    *out++ = static_cast<char>(bits >> 16);
    *out++ = static_cast<char>(bits >> 8);
    *out++ = static_cast<char>(bits);
  }
  uint32_t unused_bits = 0;
  if (text.size() - i == 2) {
    const uint32_t bits = value(i) << 6 | value(i + 1);
    *out++ = static_cast<char>(bits >> 4);
    unused_bits = bits & 0xf;
  } else if (text.size() - i == 3) {
    const uint32_t bits = value(i) << 12 | value(i + 1) << 6 | value(i + 2);
    *out++ = static_cast<char>(bits >> 10);
    *out++ = static_cast<char>(bits >> 2);
    unused_bits = bits & 0x3;
  }
  if ((seen & ~0x3fu) != 0) return absl::InvalidArgumentError("a character is not in the base64url alphabet");
  if (unused_bits != 0) {
    return absl::InvalidArgumentError("the unused bits of the last base64url character are not zero");
  }
  return bytes;
}

}  // namespace watchword
