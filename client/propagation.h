#pragma once

#include <memory>

#include <grpcpp/security/credentials.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/client/call_credentials.h"
#include "watchword/gate/caller.h"
#include "watchword/gate/gate.h"

namespace watchword {

// The credential of the call behind `context`, which came through a port of `gate`, for calls to the service that
// answers to `audience`: it is the caller's own, and may be shown only where it is meant for. PERMISSION_DENIED
// (AUDIENCE_NOT_PERMITTED) if it is not for that audience, or an error of Caller::From. For TLS only.
absl::StatusOr<std::shared_ptr<grpc::CallCredentials>> PropagateCaller(const grpc::ServerContextBase& context,
                                                                       const Gate& gate, absl::string_view audience);

// The same for channels without TLS.
absl::StatusOr<std::shared_ptr<grpc::CallCredentials>> PropagateCaller(const grpc::ServerContextBase& context,
                                                                       const Gate& gate, absl::string_view audience,
                                                                       AllowPlaintextTokens);

}  // namespace watchword
