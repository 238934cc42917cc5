#include "server/crypto/session_secrets.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "server/crypto/hmac.h"
#include "watchword/token/opaque_token.h"

namespace watchword {
namespace {

constexpr size_t kGenerationSize = sizeof(int64_t);
constexpr size_t kFamilySize = Uuid::kSize + kGenerationSize;
constexpr size_t kMacSize = 32;
constexpr size_t kSha256Size = 32;

// One key serves two purposes: the label keeps an authenticator of one from passing as the other's.
std::string Authenticator(const Secret& key, absl::string_view label, absl::string_view content) {
  return HmacSha256(key, absl::StrCat(label, absl::string_view("\0", 1), content));
}

std::string RefreshAuthenticator(const Secret& key, absl::string_view family) {
  return Authenticator(key, "watchword refresh token 1", family);
}

std::string BigEndian(int64_t value) {
  std::string bytes(kGenerationSize, '\0');
  for (size_t i = 0; i < kGenerationSize; ++i) {
    bytes[i] = static_cast<char>(static_cast<uint64_t>(value) >> (8 * (kGenerationSize - 1 - i)));
  }
  return bytes;
}

int64_t FromBigEndian(absl::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return static_cast<int64_t>(value);
}

}  // namespace

std::string FormatRefreshToken(const RefreshToken& token, const Secret& key) {
  const std::string family =
      absl::StrCat(token.session_id.bytes(), BigEndian(token.generation), token.certificate_sha256);
  return FormatOpaqueToken(kRefreshTokenPrefix, absl::StrCat(family, RefreshAuthenticator(key, family)));
}

absl::StatusOr<RefreshToken> ParseRefreshToken(absl::string_view text, const Secret& key) {
  const absl::Status refused = absl::InvalidArgumentError("this is not a refresh token");
  auto content = ParseOpaqueToken(kRefreshTokenPrefix, kFamilySize + kMacSize, text);
  if (!content.ok()) content = ParseOpaqueToken(kRefreshTokenPrefix, kFamilySize + kSha256Size + kMacSize, text);
  if (!content.ok()) return refused;
  const size_t family_size = content->size() - kMacSize;
  const absl::string_view family = absl::string_view(*content).substr(0, family_size);
  const absl::string_view mac = absl::string_view(*content).substr(family_size);
  if (!EqualInConstantTime(mac, RefreshAuthenticator(key, family))) return refused;
  const auto session_id = Uuid::FromBytes(family.substr(0, Uuid::kSize));
  if (!session_id.ok()) return refused;
  return RefreshToken{*session_id, FromBigEndian(family.substr(Uuid::kSize, kGenerationSize)),
                      std::string(family.substr(kFamilySize))};
}

std::string SessionBinding(const Secret& key, const Uuid& session_id, const Uuid& principal,
                           absl::string_view token_digest) {
  return Authenticator(key, "watchword session row 1",
                       absl::StrCat(session_id.bytes(), principal.bytes(), token_digest));
}

}  // namespace watchword
