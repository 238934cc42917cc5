#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace watchword {

// The security events. Stable names: what reads the audit log compares them. docs/audit.md describes each.
inline constexpr absl::string_view kAuditLogin = "login";
inline constexpr absl::string_view kAuditAccountLocked = "account_locked";
inline constexpr absl::string_view kAuditRefreshTokenReused = "refresh_token_reused";
inline constexpr absl::string_view kAuditLogout = "logout";
inline constexpr absl::string_view kAuditUserCreated = "user_created";
inline constexpr absl::string_view kAuditServiceAccountCreated = "service_account_created";
inline constexpr absl::string_view kAuditSecretRotated = "service_account_secret_rotated";
inline constexpr absl::string_view kAuditPasswordSet = "password_set";
inline constexpr absl::string_view kAuditPasswordChanged = "password_changed";
inline constexpr absl::string_view kAuditUserDisabled = "user_disabled";
inline constexpr absl::string_view kAuditUserEnabled = "user_enabled";
inline constexpr absl::string_view kAuditSessionsRevoked = "sessions_revoked";
inline constexpr absl::string_view kAuditSigningKeyChanged = "signing_key_changed";
inline constexpr absl::string_view kAuditCertificateChanged = "certificate_changed";

// On whom: whatever of it is known. Names are of accounts that exist or were to be made, never what somebody has typed
// for a name, since that is a password often enough.
struct AuditTarget {
  std::string subject;  // the principal's id
  std::string username;
  std::string session;  // the session's id
  std::string detail;   // what else to know, such as "all_sessions" or the id of a key
};

// From where, and by which call. All empty for what the server does by itself.
struct AuditOrigin {
  std::string peer;        // the address at the other end of the connection, as gRPC writes it
  std::string client;      // the address of whom that one acts for, if it has said so and may
  std::string method;      // "/package.Service/Method"
  std::string trace_id;    // of the W3C traceparent that was sent, if any
  std::string request_id;  // the x-request-id that was sent, if any
};

// One security event. Nothing in it is secret.
struct AuditEvent {
  absl::string_view type;
  std::string actor;          // who: the caller's subject; empty if the call needs no credential
  std::string actor_session;  // and the caller's session
  AuditTarget target;
  AuditOrigin origin;
  std::string reason;  // why it failed, as the caller was told; empty: it succeeded
  std::string cause;   // why in truth, where the caller is not told
};

// Keeps the security events. Does not fail and does not block: an event that cannot be kept is counted as lost.
//
// Thread-safe.
class AuditLog {
 public:
  virtual ~AuditLog() = default;
  virtual void Record(const AuditEvent& event) = 0;
};

// What a use case knows of a failure and the caller is not told, for the audit log.
struct AuditNote {
  AuditTarget target;
  std::string cause;
  bool locks_account = false;  // from now on the account is blocked for a while
};

// Attaches a note to an error, which stays as it is for everybody else.
absl::Status WithAuditNote(absl::Status status, const AuditNote& note);

// The note of an error; empty if it has none.
AuditNote AuditNoteOf(const absl::Status& status);

}  // namespace watchword
