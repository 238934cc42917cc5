// Session and refresh tokens: each has exactly one text, and none is genuine without the key.
#include <string>

#include "fuzz.h"
#include "server/crypto/session_secrets.h"
#include "watchword/token/opaque_token.h"

namespace watchword {

void Fuzz(absl::string_view input) {
  static const auto& key = *new Secret(std::string(32, 'k'));
  for (const size_t size : {size_t{32}, size_t{56}, size_t{64}, size_t{88}}) {
    for (const absl::string_view prefix : {kSessionTokenPrefix, kRefreshTokenPrefix}) {
      const auto content = ParseOpaqueToken(prefix, size, input);
      if (!content.ok()) continue;
      Require(content->size() == size);
      Require(FormatOpaqueToken(prefix, *content) == input);
    }
  }
  const auto bound_to = ParseSessionToken(input);
  if (bound_to.ok()) Require(bound_to->empty() || bound_to->size() == 32);
  const auto refresh = ParseRefreshToken(input, key);
  if (refresh.ok()) Require(FormatRefreshToken(*refresh, key) == input);
}

}  // namespace watchword
