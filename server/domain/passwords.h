#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/base/secret.h"

namespace watchword {

// The largest password that is looked at, in bytes as sent.
inline constexpr size_t kMaxPasswordSize = 1024;

// The canonical form of a password (RFC 8265 OpaqueString: other spaces become a space, NFC, no control characters), so
// that a password typed on two keyboards is one password. INVALID_ARGUMENT if it is too long, empty, or not allowed
// there.
absl::StatusOr<Secret> CanonicalPassword(absl::string_view password);

// Whether a canonical password may be set: INVALID_ARGUMENT, saying why, if it has fewer than `min_characters`
// characters (code points).
absl::Status CheckNewPassword(const Secret& canonical, size_t min_characters);

// Whether somebody who tries the likeliest passwords first would find it soon: INVALID_ARGUMENT if it is, or is put
// together from, common passwords, words, names, dates, rows of keys, repetitions, and the names of the user and of the
// service, of which guessers think too (NIST SP 800-63B-4 section 3.1.1.2). `username` is canonical, `issuer` the URL
// of the server. Passwords of many characters that are hard to guess pass, whatever kinds of characters they have.
// Judges the first 100 bytes and takes at most some tens of milliseconds: for the hashing executor.
absl::Status CheckNotCommon(const Secret& canonical, absl::string_view username, absl::string_view issuer);

}  // namespace watchword
