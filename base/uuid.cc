#include "watchword/base/uuid.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

namespace watchword {
namespace {

constexpr size_t kTextSize = 36;

bool IsDash(size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

bool IsLowerHex(char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); }

}  // namespace

absl::StatusOr<Uuid> Uuid::NewV7(absl::Time now, RandomSource& random) {
  Uuid uuid;
  if (auto status = random.Fill(absl::MakeSpan(uuid.bytes_)); !status.ok()) return status;
  const int64_t milliseconds = absl::ToUnixMillis(now);
  for (int i = 0; i < 6; ++i) uuid.bytes_[i] = static_cast<uint8_t>(milliseconds >> (40 - 8 * i));
  uuid.bytes_[6] = static_cast<uint8_t>(0x70 | (uuid.bytes_[6] & 0x0f));
  uuid.bytes_[8] = static_cast<uint8_t>(0x80 | (uuid.bytes_[8] & 0x3f));
  return uuid;
}

absl::StatusOr<Uuid> Uuid::Parse(absl::string_view text) {
  std::string hex;
  if (text.size() == kTextSize) {
    for (size_t i = 0; i < kTextSize; ++i) {
      if (IsDash(i) ? text[i] != '-' : !IsLowerHex(text[i])) break;
      if (!IsDash(i)) hex.push_back(text[i]);
    }
  }
  if (hex.size() != 2 * kSize) return absl::InvalidArgumentError("not a UUID in its 36-character lower-case form");
  return FromBytes(absl::HexStringToBytes(hex));
}

absl::StatusOr<Uuid> Uuid::FromBytes(absl::string_view bytes) {
  if (bytes.size() != kSize) return absl::InvalidArgumentError("a UUID has 16 bytes");
  Uuid uuid;
  std::copy(bytes.begin(), bytes.end(), uuid.bytes_.begin());
  return uuid;
}

std::string Uuid::ToString() const {
  std::string text = absl::BytesToHexString(bytes());
  for (size_t dash : {8, 13, 18, 23}) text.insert(dash, 1, '-');
  return text;
}

absl::Time Uuid::V7Time() const {
  int64_t milliseconds = 0;
  for (int i = 0; i < 6; ++i) milliseconds = milliseconds << 8 | bytes_[i];
  return absl::FromUnixMillis(milliseconds);
}

}  // namespace watchword
