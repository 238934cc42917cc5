#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace watchword {

// Where a program's own credential comes from, kept fresh. The client library has implementations.
//
// Thread-safe.
class TokenSource {
 public:
  virtual ~TokenSource() = default;

  // A credential that works now, waiting for one at most `timeout`. Errors are those of whoever gives it;
  // DEADLINE_EXCEEDED if there is no answer in time.
  virtual absl::StatusOr<std::string> GetToken(absl::Duration timeout) = 0;

  // A server has refused the credential: it is not handed out again if another can be had.
  virtual void Reject(absl::string_view credential) = 0;
};

}  // namespace watchword
