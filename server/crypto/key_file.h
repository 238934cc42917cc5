#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "watchword/base/random.h"
#include "watchword/base/secret.h"

namespace watchword {

// Reads the key-encryption keys from a file of mode 0600: on each line 32 bytes in base64url. The first one seals; the
// others, at most seven, open what they have sealed. NOT_FOUND if there is no file; FAILED_PRECONDITION, saying what to
// do, if others may read it or it holds something else.
absl::StatusOr<std::vector<Secret>> ReadKeyFile(const std::string& path);

// Makes such a file with a new key. ALREADY_EXISTS if there is one.
absl::StatusOr<Secret> CreateKeyFile(const std::string& path, RandomSource& random);

}  // namespace watchword
