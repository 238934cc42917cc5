#pragma once

#include "server/service/environment.h"
#include "server/service/feed.h"
#include "server/transport/rpc.h"
#include "watchword/v1/trust.grpc.pb.h"

namespace watchword {

// TrustService: the public keys and the trust feed. Feeds end when the Feed stops.
//
// Thread-safe.
class TrustHandlers final : public v1::TrustService::CallbackService {
 public:
  // Borrows all, which must outlive this.
  TrustHandlers(const Environment& environment, RpcTools tools) : environment_(environment), tools_(std::move(tools)) {}

  grpc::ServerUnaryReactor* GetJwks(grpc::CallbackServerContext* context, const v1::GetJwksRequest* request,
                                    v1::GetJwksResponse* response) override;
  grpc::ServerBidiReactor<v1::WatchRequest, v1::WatchResponse>* Watch(grpc::CallbackServerContext* context) override;

 private:
  const Environment environment_;
  const RpcTools tools_;
};

}  // namespace watchword
