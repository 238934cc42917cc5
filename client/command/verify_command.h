#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "watchword/base/clock.h"

namespace watchword {

// `watchword verify`: checks tokens offline, with the code that services check them with.
struct VerifyOptions {
  std::string jwks_file;                // a JWK Set, of at most 1 MiB
  std::optional<std::string> issuer;    // not checked unless given
  std::optional<std::string> audience;  // not checked unless given
  std::optional<int64_t> now;           // seconds since 1970 to judge times by; the clock's unless given
  bool signature_only = false;          // judge form and signature only, whatever the payload; the above are not used
  bool base64 = false;                  // each line is the standard, padded base64 of a token's bytes
};

// Reads tokens from `in`, one a line, and writes one JSON object a line to `out`, in the same order:
//   {"accepted":true,"subject":…,"session_id":…,"issuer":…,"audiences":[…],"scopes":[…],"expires_at":SECONDS}
//   {"accepted":true}                                               with signature_only
//   {"accepted":false,"reason":"TOKEN_INVALID","detail":"…"}        or TOKEN_EXPIRED
// Every line gets a verdict, whatever it holds; memory does not grow with its length. A carriage return is part of the
// token. Each verdict is flushed, so that a program can ask line by line.
//
// Returns 0 when all lines were judged; 1, with one line on `err`, if the key set cannot be read or is refused, an
// option is wrong, or `out` cannot be written.
int RunVerify(const VerifyOptions& options, std::istream& in, std::ostream& out, std::ostream& err,
              const Clock& clock = SystemClock());

}  // namespace watchword
