#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace watchword {

// The text form of opaque tokens: a prefix that names the kind, and base64url of the content and the first four bytes
// of SHA-256(prefix ‖ content). The checksum lets typing errors be told from guesses without a look-up, and secret
// scanners find leaked tokens; it protects nothing.
inline constexpr absl::string_view kSessionTokenPrefix = "ww_s_";
inline constexpr absl::string_view kRefreshTokenPrefix = "ww_r_";
inline constexpr absl::string_view kServiceSecretPrefix = "ww_k_";

// Sizes of the content in bytes.
inline constexpr size_t kSessionTokenContentSize = 32;   // random; then, if it is bound, the certificate's SHA-256
inline constexpr size_t kServiceSecretContentSize = 32;  // random

// The text of an opaque token.
std::string FormatOpaqueToken(absl::string_view prefix, absl::string_view content);

// The content, or INVALID_ARGUMENT if `text` is not exactly a token with this prefix, content size and right checksum.
absl::StatusOr<std::string> ParseOpaqueToken(absl::string_view prefix, size_t content_size, absl::string_view text);

// Reads a session token. The SHA-256 of the client certificate that it is bound to (RFC 8705), empty if it is not
// bound; INVALID_ARGUMENT if `text` is no session token. The binding is part of the token, so that whoever takes it off
// has another token, which nobody knows.
absl::StatusOr<std::string> ParseSessionToken(absl::string_view text);

// SHA-256 of `bytes`: 32 bytes. What stores hold in place of a session token.
std::string Sha256(absl::string_view bytes);

}  // namespace watchword
