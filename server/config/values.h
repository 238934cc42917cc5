#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/config/config.h"

namespace watchword {

// Each of these parses the text of one setting. INVALID_ARGUMENT otherwise: the message says what would be right, for a
// sentence that begins with the setting's name and value.

// "5m", "1h30m", "0s": between `least` and `most`.
absl::StatusOr<absl::Duration> ParseDurationSetting(absl::string_view text, absl::Duration least, absl::Duration most);

// A whole number between `least` and `most`.
absl::StatusOr<int64_t> ParseNumberSetting(absl::string_view text, int64_t least, int64_t most);

// "true" or "false".
absl::StatusOr<bool> ParseSwitchSetting(absl::string_view text);

// A size in KiB: "19MiB", "1GiB", "19456KiB" or "19456". 8 MiB to `most_gib` GiB, which is at most 1024.
absl::StatusOr<uint32_t> ParseMemorySetting(absl::string_view text, uint32_t most_gib = 1);

// "HOST:PORT"; an IPv6 address stands in brackets.
absl::StatusOr<HostPort> ParseHostPort(absl::string_view text);

// Whether what listens on this host is reached from this machine only: 127.0.0.0/8, ::1, localhost.
bool IsLoopback(absl::string_view host);

// An issuer (RFC 8414 section 2, but http is allowed too): an absolute URL with neither query nor fragment nor user, of
// at most 255 visible ASCII characters.
absl::Status CheckIssuer(absl::string_view text);

}  // namespace watchword
