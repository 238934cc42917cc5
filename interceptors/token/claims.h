#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/token/credential.h"

namespace watchword {

// The claims in the payload of an access token, each of the right form, or UNAUTHENTICATED with reason TOKEN_INVALID.
// Says nothing about whether they are acceptable. Only for a payload whose signature was verified: details name claims.
absl::StatusOr<Claims> ParseClaims(absl::string_view payload);

}  // namespace watchword
