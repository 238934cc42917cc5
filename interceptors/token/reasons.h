#pragma once

#include "absl/strings/string_view.h"

namespace watchword {

// The reasons a verifier gives for refusing a call. Stable: programs compare them.

// No credential was sent. UNAUTHENTICATED.
inline constexpr absl::string_view kTokenMissing = "TOKEN_MISSING";
// The credential is malformed, forged, or not meant for this service. UNAUTHENTICATED.
inline constexpr absl::string_view kTokenInvalid = "TOKEN_INVALID";
// The credential was genuine and has expired: get a new one. UNAUTHENTICATED.
inline constexpr absl::string_view kTokenExpired = "TOKEN_EXPIRED";
// The credential was genuine and its session, principal or key has been revoked: log in again. UNAUTHENTICATED.
inline constexpr absl::string_view kTokenRevoked = "TOKEN_REVOKED";
// The credential is good but lacks a scope. PERMISSION_DENIED.
inline constexpr absl::string_view kInsufficientScope = "INSUFFICIENT_SCOPE";
// The verifier has no keys yet: it has not reached the auth service since it started. UNAVAILABLE.
inline constexpr absl::string_view kTrustUnavailable = "TRUST_UNAVAILABLE";
// The verifier has not heard from the auth service for longer than its staleness bound, and the method's rule does not
// take the risk. UNAVAILABLE.
inline constexpr absl::string_view kTrustStale = "TRUST_STALE";
// Too many session tokens that the verifier has not met before are being looked up. RESOURCE_EXHAUSTED.
inline constexpr absl::string_view kLookUpLimited = "LOOKUP_LIMITED";

// Too many calls without a valid credential. RESOURCE_EXHAUSTED.
inline constexpr absl::string_view kRateLimited = "RATE_LIMITED";

}  // namespace watchword
