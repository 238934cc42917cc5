#include "server/transport/trust_handlers.h"

#include "server/transport/convert.h"
#include "server/transport/watch_reactor.h"

namespace watchword {

grpc::ServerUnaryReactor* TrustHandlers::GetJwks(grpc::CallbackServerContext* context, const v1::GetJwksRequest*,
                                                 v1::GetJwksResponse* response) {
  UnaryCall call(tools_, context, "/watchword.v1.TrustService/GetJwks");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  for (const Jwk& jwk : environment_.keys.public_jwks()) *response->add_keys() = ToProto(jwk);
  call.Finish(absl::OkStatus());
  return reactor;
}

grpc::ServerBidiReactor<v1::WatchRequest, v1::WatchResponse>* TrustHandlers::Watch(grpc::CallbackServerContext*) {
  return WatchReactor::Start(environment_, tools_);
}

}  // namespace watchword
