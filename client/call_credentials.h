#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "watchword/client/call.h"
#include "watchword/client/token_source.h"
#include "watchword/credentials/call_credentials.h"

namespace watchword {

// Whether a server has refused the credential in a way that another one may mend: it has expired, or was signed with a
// key that is not known there.
bool IsRefusedCredential(const absl::Status& status);

// Makes one unary call with the source's credential, as Call does; once more, with another credential, if the server
// refuses that one (IsRefusedCredential). An error that is made locally is never taken for a refusal.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> CallWithToken(TokenSource& source, Stub& stub,
                                       grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                       const Request& request, absl::Duration timeout = absl::Seconds(10)) {
  for (bool again = true;; again = false) {
    const auto token = source.GetToken(timeout);
    if (!token.ok()) return token.status();
    auto response = Call(stub, method, request, {.timeout = timeout, .bearer = *token});
    if (!again || !IsRefusedCredential(response.status())) return response;
    source.Reject(*token);
  }
}

}  // namespace watchword
