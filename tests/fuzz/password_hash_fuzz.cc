// Stored password hashes: none that was damaged or planted makes the server do more than the highest cost that a
// setting allows, and none matches a password by accident. Strings whose cost would make fuzzing slow are only parsed.
#include <string>

#include "absl/strings/match.h"
#include "fuzz.h"
#include "server/crypto/password_hasher.h"
#include "watchword/base/random.h"

namespace watchword {
namespace {

const PasswordHasher& Hasher() {
  static const auto& hasher =
      *new PasswordHasher(PasswordHasher::Create({.memory_kib = 8192, .passes = 1}, SystemRandom()).value());
  return hasher;
}

// Whether verifying it takes milliseconds, if it is taken for a hash at all.
bool IsCheap(absl::string_view hash) { return absl::StartsWith(hash, "$argon2id$v=19$m=8,t=1,p=1$"); }

}  // namespace

void Fuzz(absl::string_view input) {
  Hasher().NeedsRehash(input);
  Hasher().MemoryFor(input);
  Hasher().CheckStored(input).IgnoreError();
  if (!IsCheap(input)) return;
  const auto right = Hasher().Verify(Secret("not the password of anything in the corpus"), input);
  Require(right.ok() ? !*right : right.status().code() == absl::StatusCode::kFailedPrecondition);
}

}  // namespace watchword
