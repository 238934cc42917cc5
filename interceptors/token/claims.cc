#include "watchword/token/claims.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "watchword/base/base64url.h"
#include "watchword/token/jws.h"
#include "watchword/token/strict_json.h"

namespace watchword {
namespace {

constexpr size_t kMaxIdSize = 255;
constexpr size_t kSha256Size = 32;
constexpr double kMaxUnixSeconds = 253402300799;  // 9999-12-31T23:59:59Z

// What reads one claim after the other and keeps the name of the first that is wrong.
class Reader {
 public:
  explicit Reader(JsonValue& payload) : payload_(payload) {}

  std::string Text(absl::string_view name) {
    JsonValue* value = payload_.Find(name);
    if (value == nullptr || !value->IsString() || value->string.empty()) return Wrong(name);
    return std::move(value->string);
  }

  std::string OptionalText(absl::string_view name) {
    JsonValue* value = payload_.Find(name);
    if (value == nullptr) return "";
    return value->IsString() ? std::move(value->string) : Wrong(name);
  }

  // An id that ends up in logs, metrics and database keys.
  std::string Id(absl::string_view name) {
    std::string text = Text(name);
    return text.size() <= kMaxIdSize && !HasControlCharacter(text) ? text : Wrong(name);
  }

  // RFC 7519 section 2: a NumericDate is a number and may have a fraction.
  absl::Time Time(absl::string_view name) {
    const JsonValue* value = payload_.Find(name);
    if (value == nullptr || value->type != JsonValue::Type::kNumber || !(value->number > 0) ||
        value->number > kMaxUnixSeconds) {
      Wrong(name);
      return absl::UnixEpoch();
    }
    return absl::UnixEpoch() + absl::Seconds(value->number);
  }

  absl::Time OptionalTime(absl::string_view name, absl::Time if_absent) {
    return payload_.Find(name) == nullptr ? if_absent : Time(name);
  }

  // RFC 7519 section 4.1.3: a text or a list of texts.
  std::vector<std::string> Audiences() {
    std::vector<std::string> audiences;
    JsonValue* value = payload_.Find("aud");
    if (value != nullptr && value->type == JsonValue::Type::kArray && !value->elements.empty()) {
      for (JsonValue& each : value->elements) {
        if (!each.IsString() || each.string.empty()) Wrong("aud");
        audiences.push_back(std::move(each.string));
      }
    } else {
      audiences.push_back(Text("aud"));
    }
    return audiences;
  }

  // RFC 8705 section 3.1. A confirmation of another kind cannot be checked here, so it must not be passed over.
  std::string CertificateSha256() {
    const JsonValue* value = payload_.Find("cnf");
    if (value == nullptr) return "";
    const JsonValue* thumbprint = value->Find("x5t#S256");
    if (value->members.size() != 1 || thumbprint == nullptr || !thumbprint->IsString()) return Wrong("cnf");
    absl::StatusOr<std::string> bytes = Base64UrlDecode(thumbprint->string);
    return bytes.ok() && bytes->size() == kSha256Size ? *std::move(bytes) : Wrong("cnf");
  }

  // RFC 8693 section 4.1: only the newest actor counts.
  std::string Actor() {
    const JsonValue* value = payload_.Find("act");
    if (value == nullptr) return "";
    const JsonValue* subject = value->Find("sub");
    const bool good = subject != nullptr && subject->IsString() && !subject->string.empty() &&
                      subject->string.size() <= kMaxIdSize && !HasControlCharacter(subject->string);
    return good ? subject->string : Wrong("act");
  }

  absl::string_view wrong() const { return wrong_; }

 private:
  std::string Wrong(absl::string_view name) {
    if (wrong_.empty()) wrong_ = name;
    return "";
  }

  // C0, DEL, and C1 (U+0080 to U+009F) in UTF-8.
  static bool HasControlCharacter(absl::string_view text) {
    for (size_t i = 0; i < text.size(); ++i) {
      const auto c = static_cast<uint8_t>(text[i]);
      if (c < 0x20 || c == 0x7f) return true;
      if (c == 0xc2 && i + 1 < text.size() && static_cast<uint8_t>(text[i + 1]) < 0xa0) return true;
    }
    return false;
  }

  JsonValue& payload_;
  absl::string_view wrong_;
};

}  // namespace

absl::StatusOr<Claims> ParseClaims(absl::string_view payload) {
  absl::StatusOr<JsonValue> json = ParseStrictJsonObject(payload);
  if (!json.ok()) return TokenInvalid("the payload is not a strict JSON object");
  Reader reader(*json);
  Claims claims;
  claims.issuer = reader.Text("iss");
  claims.subject = reader.Id("sub");
  claims.session_id = reader.Id("sid");
  claims.token_id = reader.Id("jti");
  claims.audiences = reader.Audiences();
  claims.scopes = absl::StrSplit(reader.OptionalText("scope"), ' ', absl::SkipEmpty());
  claims.issued_at = reader.Time("iat");
  claims.not_before = reader.OptionalTime("nbf", absl::InfinitePast());
  claims.expires_at = reader.Time("exp");
  claims.username = reader.OptionalText("preferred_username");
  claims.certificate_sha256 = reader.CertificateSha256();
  claims.actor = reader.Actor();
  if (!reader.wrong().empty()) {
    return TokenInvalid(absl::StrCat("the claim \"", reader.wrong(), "\" is missing or of the wrong form"));
  }
  return claims;
}

}  // namespace watchword
