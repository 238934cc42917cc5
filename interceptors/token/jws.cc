#include "watchword/token/jws.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "watchword/base/base64url.h"
#include "watchword/base/reason.h"
#include "watchword/token/reasons.h"
#include "watchword/token/strict_json.h"
#include "watchword/token/verifier.h"

namespace watchword {
namespace {

constexpr absl::string_view kMalformed = "malformed";
constexpr absl::string_view kNotTrusted = "not signed by a trusted key";

struct Parts {
  absl::string_view header, payload, signature;
  absl::string_view signed_text;  // header "." payload
};

struct Header {
  JsonValue json;
  std::string algorithm, key_id;
};

absl::Status Split(absl::string_view token, Parts& out) {
  if (token.size() > kMaxCredentialSize) return TokenInvalid("too large");
  const size_t first = token.find('.');
  if (first == absl::string_view::npos) return TokenInvalid(kMalformed);
  const size_t second = token.find('.', first + 1);
  if (second == absl::string_view::npos || token.find('.', second + 1) != absl::string_view::npos) {
    return TokenInvalid(kMalformed);
  }
  out.header = token.substr(0, first);
  out.payload = token.substr(first + 1, second - first - 1);
  out.signature = token.substr(second + 1);
  out.signed_text = token.substr(0, second);
  return absl::OkStatus();
}

bool HasType(const JsonValue& header, TokenType type) {
  const JsonValue* typ = header.Find("typ");
  if (typ != nullptr && !typ->IsString()) return false;
  if (type == TokenType::kAny) return true;
  return typ != nullptr &&
         (absl::EqualsIgnoreCase(typ->string, "at+jwt") || absl::EqualsIgnoreCase(typ->string, "application/at+jwt"));
}

// Whether the header asks for what is never done: extensions that must be understood (`crit`, and `b64`, which changes
// what is signed), or a key that the token brings along or wants fetched. Ignoring the last would be enough; refusing
// them shows that somebody tries.
bool AsksTooMuch(const JsonValue& header) {
  for (const absl::string_view name : {"crit", "b64", "jwk", "jku", "x5c", "x5u"}) {
    if (header.Find(name) != nullptr) return true;
  }
  return false;
}

absl::StatusOr<Header> ParseHeader(const Parts& parts) {
  const absl::StatusOr<std::string> text = Base64UrlDecode(parts.header);
  if (!text.ok()) return TokenInvalid(kMalformed);
  absl::StatusOr<JsonValue> json = ParseStrictJsonObject(*text);
  if (!json.ok() || AsksTooMuch(*json)) return TokenInvalid(kMalformed);
  JsonValue* alg = json->Find("alg");
  JsonValue* kid = json->Find("kid");
  if (alg == nullptr || !alg->IsString() || kid == nullptr || !kid->IsString()) return TokenInvalid(kMalformed);
  std::string algorithm = std::move(alg->string), key_id = std::move(kid->string);
  return Header{*std::move(json), std::move(algorithm), std::move(key_id)};
}

// The id of the key of `keys` that the header names.
absl::StatusOr<std::string> FindKeyId(const Parts& parts, TokenType type, const KeySet& keys) {
  if (const std::string* known = keys.FindByHeader(parts.header); known != nullptr) return *known;
  absl::StatusOr<Header> header = ParseHeader(parts);
  if (!header.ok()) return header.status();
  if (!HasType(header->json, type)) return TokenInvalid("not an access token");
  const VerificationKey* key = keys.Find(header->key_id);
  if (key == nullptr || header->algorithm != AlgorithmName(key->algorithm())) return TokenInvalid(kNotTrusted);
  return std::move(header->key_id);
}

}  // namespace

absl::Status TokenInvalid(absl::string_view detail) {
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenInvalid, detail);
}

absl::StatusOr<VerifiedJws> VerifyJws(absl::string_view token, TokenType type, const KeySet& keys) {
  Parts parts;
  if (auto status = Split(token, parts); !status.ok()) return status;
  absl::StatusOr<std::string> key_id = FindKeyId(parts, type, keys);
  if (!key_id.ok()) return key_id.status();
  const absl::StatusOr<std::string> signature = Base64UrlDecode(parts.signature);
  if (!signature.ok() || !keys.Find(*key_id)->Verify(parts.signed_text, *signature)) return TokenInvalid(kNotTrusted);

  absl::StatusOr<std::string> payload = Base64UrlDecode(parts.payload);
  if (!payload.ok()) return TokenInvalid(kMalformed);
  return VerifiedJws{*std::move(payload), *std::move(key_id)};
}

absl::StatusOr<std::string> ClaimedKeyId(absl::string_view token) {
  Parts parts;
  if (auto status = Split(token, parts); !status.ok()) return status;
  absl::StatusOr<Header> header = ParseHeader(parts);
  if (!header.ok()) return header.status();
  return std::move(header->key_id);
}

}  // namespace watchword
