#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "watchword/base/secret.h"

namespace watchword {

// HMAC-SHA-256 of `message` under `key`: 32 bytes.
std::string HmacSha256(const Secret& key, absl::string_view message);

}  // namespace watchword
