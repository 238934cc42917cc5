#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace grpc {
class ServerContextBase;
}

namespace watchword {

// The credential in the value of one `authorization` entry: scheme "Bearer" in any case, one space, then b64token
// characters only (RFC 6750 section 2.1), at most kMaxCredentialSize bytes. UNAUTHENTICATED with TOKEN_INVALID
// otherwise.
absl::StatusOr<absl::string_view> ParseBearer(absl::string_view value);

// The `authorization` entries of one call. gRPC hands through as many as a client sends; two proxies that each take
// another one would see two callers, so there may be one only. A value type.
class AuthorizationEntries {
 public:
  // Takes note of one more entry. Borrows `value`.
  void Add(absl::string_view value) {
    value_ = value;
    ++count_;
  }

  // The credential; std::nullopt if there is no entry. UNAUTHENTICATED with TOKEN_INVALID if there is more than one or
  // ParseBearer refuses it.
  absl::StatusOr<std::optional<absl::string_view>> Bearer() const;

 private:
  absl::string_view value_;
  size_t count_ = 0;
};

// The `authorization` entries that came with a call; they borrow from `context`.
AuthorizationEntries AuthorizationOf(const grpc::ServerContextBase& context);

// The credential of a call, valid as long as `context`; std::nullopt if no `authorization` entry was sent.
// UNAUTHENTICATED with TOKEN_INVALID if there is more than one entry or ParseBearer refuses it.
absl::StatusOr<std::optional<absl::string_view>> BearerOf(const grpc::ServerContextBase& context);

}  // namespace watchword
