#include "server/crypto/key_file.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "watchword/base/base64url.h"
#include "watchword/base/file.h"

namespace watchword {
namespace {

constexpr size_t kKeySize = 32;
constexpr size_t kMaxKeys = 8;
constexpr size_t kMaxFileSize = 1024;

absl::Status NotAKey(const std::string& path) {
  return absl::FailedPreconditionError(absl::StrCat(
      path, " does not hold a key (32 bytes in base64url, one line; after it those that are replaced, at most seven); ",
      "restore it from a backup: without it, what it sealed cannot be opened"));
}

}  // namespace

absl::StatusOr<std::vector<Secret>> ReadKeyFile(const std::string& path) {
  auto contents = ReadSecretFile(path, kMaxFileSize);
  if (absl::IsOutOfRange(contents.status())) return NotAKey(path);
  if (!contents.ok()) return contents.status();
  const Secret text(*std::move(contents));
  std::vector<Secret> keys;
  for (const absl::string_view line : absl::StrSplit(absl::StripSuffix(text.Reveal(), "\n"), '\n')) {
    auto bytes = Base64UrlDecode(line);
    if (!bytes.ok()) return NotAKey(path);
    keys.emplace_back(*std::move(bytes));
    if (keys.back().Reveal().size() != kKeySize || keys.size() > kMaxKeys) return NotAKey(path);
  }
  return keys;
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
