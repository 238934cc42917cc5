#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/crypto/signing_key.h"
#include "watchword/token/credential.h"

namespace watchword {

// The compact form of an access token (RFC 9068) with these claims, signed by `key`. Times are written in whole
// seconds, rounded down. At most 4 KiB: INVALID_ARGUMENT if the claims are too long for that, since gRPC's metadata has
// to hold it.
absl::StatusOr<std::string> SignAccessToken(const SigningKey& key, const Claims& claims);

}  // namespace watchword
