#include "watchword/client/call_credentials.h"

#include <string>

#include "watchword/base/reason.h"
#include "watchword/token/reasons.h"

namespace watchword {

bool IsRefusedCredential(const absl::Status& status) {
  if (status.code() != absl::StatusCode::kUnauthenticated || !IsCallError(status)) return false;
  const std::string reason = ReasonOf(status);
  return reason == kTokenExpired || reason == kTokenInvalid;
}

}  // namespace watchword
