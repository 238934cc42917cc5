// A small service that is protected by Watchword. What a service of your own needs is in main: a gate, and its
// credentials on the port. From then on no handler runs for a caller without a valid token; which methods are open or
// need a scope stands beside them in orders.proto.
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <iostream>

#include "orders.grpc.pb.h"
#include "watchword/client/token_source.h"
#include "watchword/gate/caller.h"
#include "watchword/gate/gate.h"

namespace {

// Ask for the caller where you need to know who it is.
class OrdersService final : public orders::v1::OrdersService::CallbackService {
 public:
  explicit OrdersService(const watchword::Gate& gate) : gate_(gate) {}

  grpc::ServerUnaryReactor* ListOrders(grpc::CallbackServerContext* context, const orders::v1::ListOrdersRequest*,
                                       orders::v1::ListOrdersResponse* response) override {
    return Answer(context, [response](const std::string& caller) {
      response->set_greeting("Hello, " + caller + "!");
      response->add_orders("a pot of tea");
    });
  }

  grpc::ServerUnaryReactor* CancelOrder(grpc::CallbackServerContext* context, const orders::v1::CancelOrderRequest*,
                                        orders::v1::CancelOrderResponse* response) override {
    return Answer(context, [response](const std::string& caller) { response->set_cancelled_by(caller); });
  }

  // Says what there is and then stays open; the gate ends it with the caller's session.
  grpc::ServerWriteReactor<orders::v1::WatchOrdersResponse>* WatchOrders(
      grpc::CallbackServerContext*, const orders::v1::WatchOrdersRequest*) override {
    class Watch final : public grpc::ServerWriteReactor<orders::v1::WatchOrdersResponse> {
     public:
      Watch() {
        response_.add_orders("a pot of tea");
        StartWrite(&response_);
      }
      void OnWriteDone(bool) override { FinishIfBoth(); }
      void OnCancel() override { FinishIfBoth(); }
      void OnDone() override { delete this; }

     private:
      // gRPC wants the write to be over first.
      void FinishIfBoth() {
        if (++events_ == 2) Finish(grpc::Status::CANCELLED);
      }
      orders::v1::WatchOrdersResponse response_;
      std::atomic<int> events_{0};
    };
    return new Watch();
  }

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context, const orders::v1::GetStatusRequest*,
                                      orders::v1::GetStatusResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    response->set_status("ok");
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  template <typename Fill>
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, Fill fill) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const auto caller = watchword::Caller::From(*context, gate_);
    if (caller.ok()) fill(caller->username().empty() ? caller->subject() : caller->username());
    // Not OK if, say, the token has expired since the gate let it through.
    reactor->Finish({static_cast<grpc::StatusCode>(caller.status().code()), std::string(caller.status().message())});
    return reactor;
  }

  const watchword::Gate& gate_;
};

int Fail(const absl::Status& status) {
  std::cerr << "orders: " << status.message() << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::string listen = "127.0.0.1:7080", auth_service = "127.0.0.1:7070", issuer = "http://127.0.0.1:7070", account,
              snapshot;
  CLI::App app("A small service that is protected by Watchword.");
  app.add_option("--listen", listen, "Where to listen")->capture_default_str();
  app.add_option("--auth-service", auth_service, "The auth service's address")->capture_default_str();
  app.add_option("--issuer", issuer, "The auth service's --issuer")->capture_default_str();
  app.add_option("--service-account", account, "The file that `watchword service-account add` has written")->required();
  app.add_option("--snapshot-file", snapshot, "Where to keep what is known, to start while the auth service is away");
  CLI11_PARSE(app, argc, argv);

  sigset_t signals;  // blocked here, before there are other threads, and waited for below
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  // In plaintext, for loopback only.
  const auto channel = watchword::ConnectToAuthService(auth_service, grpc::InsecureChannelCredentials());
  auto self = watchword::MakeServiceAccountTokenSource(channel, account);
  if (!self.ok()) return Fail(self.status());
  const auto gate = watchword::Gate::Create({.issuer = issuer,
                                             .audiences = {"orders"},
                                             .auth_service = channel,
                                             .token_source = *std::move(self),
                                             .allow_plaintext_tokens = true,
                                             .snapshot_file = snapshot});
  if (!gate.ok()) return Fail(gate.status());

  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  OrdersService service(**gate);
  grpc::ServerBuilder builder;
  (*gate)->AddListeningPort(builder, listen, watchword::PortSecurity::Plaintext());
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;  // gRPC has said why
  std::cout << "orders listens at " << listen << std::endl;

  int signal = 0;
  sigwait(&signals, &signal);
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
}
