#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "watchword/base/uuid.h"

namespace watchword {

// What a credential says (RFC 9068 section 2.2).
struct Claims {
  std::string issuer;                            // `iss`
  std::string subject;                           // `sub`: the principal's id
  std::string session_id;                        // `sid`
  std::string token_id;                          // `jti`
  std::vector<std::string> audiences;            // `aud`, never empty
  std::vector<std::string> scopes;               // `scope`, split at spaces
  absl::Time issued_at;                          // `iat`
  absl::Time not_before = absl::InfinitePast();  // `nbf`
  absl::Time expires_at;                         // `exp`, exclusive: at this time it is expired
  std::string username;                          // `preferred_username`, or empty
  std::string certificate_sha256;                // `cnf.x5t#S256` as 32 bytes, or empty
  std::string actor;                             // `act.sub` (RFC 8693): who acts for the subject, or empty
};

// Claims whose truth was checked. Only a verifier makes one, so whoever is given one need not ask whether the signature
// was looked at. Immutable.
class VerifiedCredential {
 public:
  const Claims& claims() const { return claims_; }

  // The id of the key that signed it; empty for a session token.
  const std::string& key_id() const { return key_id_; }

  // The session and the principal as the ids that revocations name, parsed once here since every call asks for them;
  // std::nullopt if the claim is not a UUID.
  const std::optional<Uuid>& session_uuid() const { return session_uuid_; }
  const std::optional<Uuid>& principal_uuid() const { return principal_uuid_; }

  // When the session began: the time in its id, a version 7 UUID; for a session id of another form, `iat`.
  absl::Time session_began() const {
    return session_uuid_ && session_uuid_->IsV7() ? session_uuid_->V7Time() : claims_.issued_at;
  }

  // Whether it carries the scope.
  bool HasScope(absl::string_view scope) const {
    for (const std::string& each : claims_.scopes) {
      if (each == scope) return true;
    }
    return false;
  }

  // For code that has itself established that the claims are true, and for nobody else.
  static VerifiedCredential AssumeVerified(Claims claims, std::string key_id) {
    return VerifiedCredential(std::move(claims), std::move(key_id));
  }

 private:
  VerifiedCredential(Claims claims, std::string key_id)
      : claims_(std::move(claims)),
        key_id_(std::move(key_id)),
        session_uuid_(ParseUuid(claims_.session_id)),
        principal_uuid_(ParseUuid(claims_.subject)) {}

  static std::optional<Uuid> ParseUuid(absl::string_view text) {
    auto uuid = Uuid::Parse(text);
    return uuid.ok() ? std::optional<Uuid>(*uuid) : std::nullopt;
  }

  Claims claims_;
  std::string key_id_;
  std::optional<Uuid> session_uuid_;
  std::optional<Uuid> principal_uuid_;
};

}  // namespace watchword
