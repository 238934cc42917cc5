#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace watchword {

// The reasons that the use cases give, beside those of token/reasons.h. Stable: programs compare them.

// Wrong password, unknown user, disabled user, or user without a password. UNAUTHENTICATED.
inline constexpr absl::string_view kInvalidCredentials = "INVALID_CREDENTIALS";
// A refresh token was used a second time, after the grace period: its session has been ended. UNAUTHENTICATED.
inline constexpr absl::string_view kRefreshTokenReused = "REFRESH_TOKEN_REUSED";
// A wanted scope is not the account's. PERMISSION_DENIED.
inline constexpr absl::string_view kScopeNotGranted = "SCOPE_NOT_GRANTED";
// A field of the request is missing or bad. INVALID_ARGUMENT.
inline constexpr absl::string_view kInvalidArgument = "INVALID_ARGUMENT";
// The server has more work than it can do in time. RESOURCE_EXHAUSTED.
inline constexpr absl::string_view kOverloaded = "OVERLOADED";
// Too many logins from the caller's address have failed lately. RESOURCE_EXHAUSTED.
inline constexpr absl::string_view kLoginThrottled = "LOGIN_THROTTLED";
// The store cannot be reached, so nothing can be said. UNAVAILABLE.
inline constexpr absl::string_view kStoreUnavailable = "STORE_UNAVAILABLE";
// The server is stopping. UNAVAILABLE.
inline constexpr absl::string_view kShuttingDown = "SHUTTING_DOWN";
inline constexpr absl::string_view kUserExists = "USER_EXISTS";       // ALREADY_EXISTS
inline constexpr absl::string_view kUserNotFound = "USER_NOT_FOUND";  // NOT_FOUND
// The account is not of the kind that the call is about. FAILED_PRECONDITION.
inline constexpr absl::string_view kNotAUser = "NOT_A_USER";
inline constexpr absl::string_view kNotAServiceAccount = "NOT_A_SERVICE_ACCOUNT";
inline constexpr absl::string_view kSessionNotFound = "SESSION_NOT_FOUND";         // NOT_FOUND
inline constexpr absl::string_view kSigningKeyNotFound = "SIGNING_KEY_NOT_FOUND";  // NOT_FOUND

// INVALID_ARGUMENT about one field of the request, by its name in the proto.
absl::Status InvalidField(absl::string_view field, absl::string_view description);

struct FieldViolation {
  std::string field;
  std::string description;
};

// What was given to InvalidField, if the status is from there.
std::optional<FieldViolation> FieldViolationOf(const absl::Status& status);

// The answer for work that an executor did not do: OVERLOADED (with its RetryDelayOf, if it gave one), SHUTTING_DOWN or
// DEADLINE_EXCEEDED.
absl::Status NotDone(const absl::Status& from_executor);

// The answer for an error of a store that is not the caller's doing. UNAVAILABLE becomes STORE_UNAVAILABLE.
absl::Status StoreFailed(const absl::Status& from_store);

}  // namespace watchword
