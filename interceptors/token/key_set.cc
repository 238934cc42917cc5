#include <algorithm>
#include <array>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "watchword/base/base64url.h"
#include "watchword/token/jwk.h"
#include "watchword/token/opaque_token.h"
#include "watchword/token/strict_json.h"

namespace watchword {
namespace {

constexpr size_t kMaxJwksSize = 1024 * 1024;
constexpr size_t kMaxKeys = 1000;

absl::Status BadKey(absl::string_view key_id, absl::string_view cause) {
  return absl::InvalidArgumentError(absl::StrCat("key \"", absl::CHexEscape(key_id), "\": ", cause));
}

// Reads the text members. A member that is absent is left empty.
absl::StatusOr<Jwk> ReadMembers(const JsonValue& key) {
  Jwk jwk;
  const std::array<std::pair<absl::string_view, std::string*>, 9> members = {{{"kid", &jwk.kid},
                                                                              {"kty", &jwk.kty},
                                                                              {"use", &jwk.use},
                                                                              {"alg", &jwk.alg},
                                                                              {"crv", &jwk.crv},
                                                                              {"x", &jwk.x},
                                                                              {"y", &jwk.y},
                                                                              {"n", &jwk.n},
                                                                              {"e", &jwk.e}}};
  for (const auto& [name, text] : members) {
    const JsonValue* value = key.Find(name);
    if (value == nullptr) continue;
    if (!value->IsString() || value->string.empty()) {
      return BadKey(jwk.kid, absl::StrCat("\"", name, "\" is not a text"));
    }
    *text = value->string;
  }
  if (jwk.kty.empty()) return BadKey(jwk.kid, "\"kty\" is missing");
  return jwk;
}

// A private key in a public set is known to everybody, and a symmetric one lets every verifier sign: whoever publishes
// such a set is in trouble, and nothing in it can be relied on.
bool HoldsSecret(const JsonValue& key, const Jwk& jwk) {
  constexpr std::array<absl::string_view, 8> kSecretMembers = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
  return jwk.kty == "oct" || std::any_of(kSecretMembers.begin(), kSecretMembers.end(),
                                         [&key](absl::string_view name) { return key.Find(name) != nullptr; });
}

// Whether `key_ops` (RFC 7517 section 4.3), if there, allows verifying.
absl::StatusOr<bool> MayVerify(const JsonValue& key, const Jwk& jwk) {
  const JsonValue* operations = key.Find("key_ops");
  if (operations == nullptr) return true;
  const bool well_formed = operations->type == JsonValue::Type::kArray &&
                           std::all_of(operations->elements.begin(), operations->elements.end(),
                                       [](const JsonValue& each) { return each.IsString(); });
  if (!well_formed) return BadKey(jwk.kid, "\"key_ops\" is not a list of texts");
  return std::any_of(operations->elements.begin(), operations->elements.end(),
                     [](const JsonValue& each) { return each.string == "verify"; });
}

// Whether the key claims to be one of ours; whether it really is, VerificationKey decides.
bool IsOfOurKind(const Jwk& jwk) {
  if (!jwk.use.empty() && jwk.use != "sig") return false;
  if (!jwk.alg.empty()) return jwk.alg == "ES256" || jwk.alg == "EdDSA" || jwk.alg == "RS256";
  if (jwk.kty == "EC") return jwk.crv == "P-256" || jwk.crv.empty();
  if (jwk.kty == "OKP") return jwk.crv == "Ed25519" || jwk.crv.empty();
  return jwk.kty == "RSA";
}

bool NeedsNoEscape(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; });
}

}  // namespace

absl::StatusOr<KeySet> KeySet::FromJwks(const std::vector<Jwk>& jwks) {
  KeySet set;
  for (const Jwk& jwk : jwks) {
    const absl::StatusOr<VerificationKey> key = VerificationKey::FromJwk(jwk);
    if (!key.ok()) return BadKey(jwk.kid, key.status().message());
    if (!set.keys_.emplace(jwk.kid, *key).second) return BadKey(jwk.kid, "two keys have this id");
    if (!NeedsNoEscape(jwk.kid)) continue;
    const std::string header =
        absl::StrCat(R"({"alg":")", AlgorithmName(key->algorithm()), R"(","kid":")", jwk.kid, R"(","typ":"at+jwt"})");
    set.ids_by_header_.emplace(Base64UrlEncode(header), jwk.kid);
  }
  return set;
}

absl::StatusOr<KeySet> KeySet::Parse(absl::string_view json) {
  if (json.size() > kMaxJwksSize) return absl::InvalidArgumentError("larger than 1 MiB");
  const absl::StatusOr<JsonValue> document = ParseStrictJsonObject(json);
  if (!document.ok()) return document.status();
  const JsonValue* keys = document->Find("keys");
  if (keys == nullptr || keys->type != JsonValue::Type::kArray) {
    return absl::InvalidArgumentError("not a JWK Set: no list of \"keys\"");
  }
  if (keys->elements.size() > kMaxKeys) return absl::InvalidArgumentError("more than 1,000 keys");

  std::vector<Jwk> ours;
  absl::flat_hash_set<std::string> key_ids;
  for (const JsonValue& key : keys->elements) {
    if (key.type != JsonValue::Type::kObject) return absl::InvalidArgumentError("a key is not an object");
    absl::StatusOr<Jwk> jwk = ReadMembers(key);
    if (!jwk.ok()) return jwk.status();
    if (HoldsSecret(key, *jwk)) return BadKey(jwk->kid, "holds a private or symmetric key");
    if (!jwk->kid.empty() && !key_ids.insert(jwk->kid).second) return BadKey(jwk->kid, "two keys have this id");
    const absl::StatusOr<bool> may_verify = MayVerify(key, *jwk);
    if (!may_verify.ok()) return may_verify.status();
    if (*may_verify && IsOfOurKind(*jwk)) ours.push_back(*std::move(jwk));
  }
  return FromJwks(ours);
}

const VerificationKey* KeySet::Find(absl::string_view key_id) const {
  const auto found = keys_.find(key_id);
  return found == keys_.end() ? nullptr : &found->second;
}

const std::string* KeySet::FindByHeader(absl::string_view header) const {
  const auto found = ids_by_header_.find(header);
  return found == ids_by_header_.end() ? nullptr : &found->second;
}

std::vector<std::string> KeySet::key_ids() const {
  std::vector<std::string> ids;
  for (const auto& [id, key] : keys_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::string JwkThumbprint(const Jwk& jwk) {
  std::string members;  // in this order, without spaces; their values need no escapes
  if (jwk.kty == "EC") {
    members = absl::StrCat(R"("crv":")", jwk.crv, R"(","kty":"EC","x":")", jwk.x, R"(","y":")", jwk.y, "\"");
  } else if (jwk.kty == "OKP") {
    members = absl::StrCat(R"("crv":")", jwk.crv, R"(","kty":"OKP","x":")", jwk.x, "\"");
  } else if (jwk.kty == "RSA") {
    members = absl::StrCat(R"("e":")", jwk.e, R"(","kty":"RSA","n":")", jwk.n, "\"");
  } else {
    return "";
  }
  return Base64UrlEncode(Sha256(absl::StrCat("{", members, "}")));
}

}  // namespace watchword
