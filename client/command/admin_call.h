#pragma once

#include <utility>

#include "absl/status/statusor.h"
#include "client/command/context.h"
#include "watchword/client/call.h"
#include "watchword/v1/admin.grpc.pb.h"

namespace watchword {

// Makes one call of AdminService with the stored login's credential.
template <typename Request, typename Response>
absl::StatusOr<Response> AdminCall(Context& context,
                                   grpc::Status (v1::AdminService::StubInterface::*method)(grpc::ClientContext*,
                                                                                           const Request&, Response*),
                                   const Request& request) {
  const auto options = context.Authenticated();
  if (!options.ok()) return options.status();
  const auto channel = context.Channel();
  if (!channel.ok()) return channel.status();
  const std::unique_ptr<v1::AdminService::StubInterface> stub = v1::AdminService::NewStub(*channel);
  return Call(*stub, method, request, *options);
}

// Makes a call for each page of a list and gives each response to `take`.
template <typename Request, typename Response, typename Take>
absl::Status AdminPages(Context& context,
                        grpc::Status (v1::AdminService::StubInterface::*method)(grpc::ClientContext*, const Request&,
                                                                                Response*),
                        Request request, Take take) {
  request.set_page_size(1000);
  do {
    auto response = AdminCall(context, method, request);
    if (!response.ok()) return response.status();
    take(*response);
    if (response->next_page_token() == request.page_token()) break;  // no progress: not for ever
    request.set_page_token(response->next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

}  // namespace watchword
