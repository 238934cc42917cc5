#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace watchword {

// The same code and message; ReasonOf gives the server's reason, from the google.rpc.ErrorInfo detail or the start of
// the message. IsCallError is true of the result unless it is OK.
absl::Status FromGrpcStatus(const grpc::Status& status);

// Whether an error is the outcome of a call, made by the server or the network, rather than by something local.
bool IsCallError(const absl::Status& status);

struct CallOptions {
  absl::Duration timeout = absl::Seconds(10);
  absl::string_view bearer;  // the credential to present; empty: none
};

// Sets the deadline and the `authorization` metadata of a call. INVALID_ARGUMENT if the credential has characters that
// no credential has (RFC 6750 section 2.1), on which gRPC would abort the process.
absl::Status PrepareContext(const CallOptions& options, grpc::ClientContext& context);

// Makes one unary call and waits for its outcome. `method` is one of the generated StubInterface.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                              const Request& request, const CallOptions& options) {
  grpc::ClientContext context;
  if (auto status = PrepareContext(options, context); !status.ok()) return status;
  Response response;
  if (auto status = FromGrpcStatus((stub.*method)(&context, request, &response)); !status.ok()) return status;
  return response;
}

}  // namespace watchword
