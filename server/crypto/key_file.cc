#include "server/crypto/key_file.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "watchword/base/base64url.h"
#include "watchword/base/file.h"

namespace watchword {
namespace {

constexpr size_t kKeySize = 32;
constexpr size_t kMaxFileSize = 1024;

absl::Status NotAKey(const std::string& path) {
  return absl::FailedPreconditionError(absl::StrCat(
      path, " does not hold a key (32 bytes in base64url, one line); restore it from a backup: without it, ",
      "what it sealed cannot be opened"));
}

}  // namespace

absl::StatusOr<Secret> ReadKeyFile(const std::string& path) {
  auto contents = ReadSecretFile(path, kMaxFileSize);
  if (absl::IsOutOfRange(contents.status())) return NotAKey(path);
  if (!contents.ok()) return contents.status();
  const Secret line(*std::move(contents));
  auto bytes = Base64UrlDecode(absl::StripSuffix(line.Reveal(), "\n"));
  if (!bytes.ok()) return NotAKey(path);
  Secret key(*std::move(bytes));
  if (key.Reveal().size() != kKeySize) return NotAKey(path);
  return key;
}

absl::StatusOr<Secret> CreateKeyFile(const std::string& path, RandomSource& random) {
  std::string bytes(kKeySize, '\0');
  if (auto status = random.Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size())); !status.ok()) {
    return status;
  }
  Secret key(std::move(bytes));
  std::string encoded = Base64UrlEncode(key.Reveal());
  const Secret line(absl::StrCat(encoded, "\n"));
  Secret::Wipe(encoded);
  if (auto status = CreateSecretFile(path, line.Reveal()); !status.ok()) return status;
  return key;
}

}  // namespace watchword
