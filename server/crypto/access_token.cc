#include "server/crypto/access_token.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "watchword/base/base64url.h"

namespace watchword {
namespace {

constexpr size_t kMaxSize = 4096;

std::string HeaderOf(const SigningKey& key) {
  return nlohmann::json{{"alg", std::string(AlgorithmName(key.algorithm()))}, {"kid", key.key_id()}, {"typ", "at+jwt"}}
      .dump();
}

std::string PayloadOf(const Claims& claims) {
  nlohmann::json payload = {
      {"iss", claims.issuer},
      {"sub", claims.subject},
      {"exp", absl::ToUnixSeconds(claims.expires_at)},
      {"iat", absl::ToUnixSeconds(claims.issued_at)},
      {"jti", claims.token_id},
      {"sid", claims.session_id},
  };
  if (claims.audiences.size() == 1) {
    payload["aud"] = claims.audiences.front();
  } else {
    payload["aud"] = claims.audiences;
  }
  if (!claims.scopes.empty()) payload["scope"] = absl::StrJoin(claims.scopes, " ");
  if (!claims.certificate_sha256.empty()) {
    payload["cnf"] = {{"x5t#S256", Base64UrlEncode(claims.certificate_sha256)}};  // RFC 8705 section 3.1
  }
  if (!claims.username.empty()) payload["preferred_username"] = claims.username;
  return payload.dump();
}

}  // namespace

absl::StatusOr<std::string> SignAccessToken(const SigningKey& key, const Claims& claims) {
  const std::string input = absl::StrCat(Base64UrlEncode(HeaderOf(key)), ".", Base64UrlEncode(PayloadOf(claims)));
  absl::StatusOr<std::string> signature = key.Sign(input);
  if (!signature.ok()) return signature.status();
  std::string token = absl::StrCat(input, ".", Base64UrlEncode(*signature));
  if (token.size() > kMaxSize) {
    return absl::InvalidArgumentError(absl::StrCat("the access token would have ", token.size(), " bytes, more than ",
                                                   kMaxSize, ": ask for fewer audiences or scopes"));
  }
  return token;
}

}  // namespace watchword
