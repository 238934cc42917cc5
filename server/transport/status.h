#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace watchword {

// The status that goes to the caller: code and message of `status`, with google.rpc.ErrorInfo for its reason,
// BadRequest for the field that was wrong and RetryInfo for overload. The text of an error that has no reason is none
// of the caller's business: it becomes INTERNAL, and the caller of this function logs it.
grpc::Status ToGrpcStatus(const absl::Status& status);

// How long to wait before a call that ended with RESOURCE_EXHAUSTED is worth trying again: what the status says, else a
// second.
absl::Duration RetryDelay(const absl::Status& status);

// Whether ToGrpcStatus hides the text, so that it has to be logged.
bool IsHidden(const absl::Status& status);

}  // namespace watchword
