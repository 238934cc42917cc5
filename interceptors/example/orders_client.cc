// Calls the orders service, for those who have no grpcurl:
//
//   watchword token | orders_client 127.0.0.1:7080 list
//   watchword token | orders_client 127.0.0.1:7080 cancel ORDER
//   orders_client 127.0.0.1:7080 status </dev/null
//
// The credential comes from standard input: arguments can be read by everybody on the machine.

#include <chrono>
#include <iostream>
#include <string>

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "absl/status/status.h"
#include "orders.grpc.pb.h"

namespace {

int Report(const grpc::Status& status, const google::protobuf::Message& response) {
  if (status.ok()) {
    std::cout << response.DebugString();
    return 0;
  }
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  std::cerr << absl::StatusCodeToString(code) << ": " << status.error_message() << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string method = argc > 2 ? argv[2] : "";
  if (!(argc == 3 && (method == "list" || method == "status")) && !(argc == 4 && method == "cancel")) {
    std::cerr << "usage: watchword token | orders_client HOST:PORT list|status|cancel ORDER\n";
    return 1;
  }
  // In plaintext, for loopback only; elsewhere use watchword_client's MakeChannel.
  auto stub = orders::v1::OrdersService::NewStub(grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  std::string credential;
  if (std::getline(std::cin, credential)) context.AddMetadata("authorization", "Bearer " + credential);

  if (method == "list") {
    orders::v1::ListOrdersResponse response;
    return Report(stub->ListOrders(&context, {}, &response), response);
  }
  if (method == "status") {
    orders::v1::GetStatusResponse response;
    return Report(stub->GetStatus(&context, {}, &response), response);
  }
  orders::v1::CancelOrderRequest request;
  request.set_order(argv[3]);
  orders::v1::CancelOrderResponse response;
  return Report(stub->CancelOrder(&context, request, &response), response);
}
