#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/base/secret.h"

namespace watchword {

// A stored password hash, taken apart, of a scheme that this server can verify. What it costs has been checked already.
//
// Immutable, hence thread-safe.
class StoredHash {
 public:
  virtual ~StoredHash() = default;

  // Whether `password` is the one behind it. Takes long. RESOURCE_EXHAUSTED if memory is short.
  virtual absl::StatusOr<bool> Matches(const Secret& password) const = 0;

  // How many bytes of memory Matches takes, but for small change.
  virtual size_t memory() const = 0;
};

// Each takes apart the text forms of some schemes, exactly as they are written: nothing if `text` is of none of them.
// FAILED_PRECONDITION, saying why, if it begins as one of them and is damaged, or asks for more work than any honest
// hash: a damaged or planted row must not take the server down.
using ParsedHash = absl::StatusOr<std::unique_ptr<StoredHash>>;

// bcrypt ($2a$, $2b$, $2y$), sha512-crypt ($6$), yescrypt ($y$) and scrypt ($7$), as crypt(5) writes them.
std::optional<ParsedHash> ParseCryptHash(absl::string_view text);

// PBKDF2 as Django ("pbkdf2_sha256$…") and as passlib and the PHC format ("$pbkdf2-sha256$…") write it; scrypt in the
// PHC format ("$scrypt$ln=…"). SHA-1, SHA-256, SHA-512.
std::optional<ParsedHash> ParseKdfHash(absl::string_view text);

// The text helpers that the formats share.

// Takes a decimal number of at most `max`, without sign or leading zero, off the front.
bool ConsumeNumber(absl::string_view* text, uint32_t max, uint32_t* number);

// Takes what stands before the next `$`, and that, off the front; without a `$` all of it.
absl::string_view ConsumeField(absl::string_view* text);

// Standard base64 without padding (RFC 4648 section 4), canonical, of `least` to `most` bytes; else nothing.
std::optional<std::string> DecodeBase64(absl::string_view text, size_t least, size_t most);
std::string EncodeBase64(absl::string_view bytes);

}  // namespace watchword
