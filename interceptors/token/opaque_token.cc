#include "watchword/token/opaque_token.h"

#include <openssl/evp.h>

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "watchword/base/base64url.h"

namespace watchword {
namespace {

constexpr size_t kChecksumSize = 4;
constexpr size_t kSha256Size = 32;

std::string Checksum(absl::string_view prefix, absl::string_view content) {
  return Sha256(absl::StrCat(prefix, content)).substr(0, kChecksumSize);
}

}  // namespace

std::string FormatOpaqueToken(absl::string_view prefix, absl::string_view content) {
  return absl::StrCat(prefix, Base64UrlEncode(absl::StrCat(content, Checksum(prefix, content))));
}

absl::StatusOr<std::string> ParseOpaqueToken(absl::string_view prefix, size_t content_size, absl::string_view text) {
  const absl::Status refused = absl::InvalidArgumentError("not a token of this kind");
  const size_t encoded_size = ((content_size + kChecksumSize) * 4 + 2) / 3;
  if (text.size() != prefix.size() + encoded_size || !absl::StartsWith(text, prefix)) return refused;
  absl::StatusOr<std::string> bytes = Base64UrlDecode(text.substr(prefix.size()));
  if (!bytes.ok() || bytes->size() != content_size + kChecksumSize) return refused;
  const absl::string_view content = absl::string_view(*bytes).substr(0, content_size);
  if (absl::string_view(*bytes).substr(content_size) != Checksum(prefix, content)) return refused;
  bytes->resize(content_size);
  return bytes;
}

absl::StatusOr<std::string> ParseSessionToken(absl::string_view text) {
  const auto unbound = ParseOpaqueToken(kSessionTokenPrefix, kSessionTokenContentSize, text);
  if (unbound.ok()) return std::string();
  auto bound = ParseOpaqueToken(kSessionTokenPrefix, kSessionTokenContentSize + kSha256Size, text);
  if (!bound.ok()) return bound.status();
  return bound->substr(kSessionTokenContentSize);
}

std::string Sha256(absl::string_view bytes) {
  static const EVP_MD* const digest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  std::string result(kSha256Size, '\0');
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(result.data()), nullptr, digest,
                 nullptr) != 1) {
    std::abort();  // out of memory, or an OpenSSL without SHA-256: nothing can go on
  }
  return result;
}

}  // namespace watchword
