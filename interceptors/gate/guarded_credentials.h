#pragma once

#include <memory>

#include "watchword/gate/port_security.h"

namespace grpc {
class ServerCredentials;
}

namespace watchword {

class Acceptor;
class CertificateSource;
struct ServerSetup;

// Server credentials for connections that an Acceptor takes: they secure them as `security` says and ask the setup's
// admission about every call. `certificates` is null without TLS.
std::shared_ptr<grpc::ServerCredentials> MakeGuardedCredentials(std::shared_ptr<ServerSetup> setup,
                                                                PortSecurity security,
                                                                std::shared_ptr<CertificateSource> certificates);

// What grpc::ServerBuilder::AddListeningPort gets in place of credentials, so that the acceptor listens where gRPC
// would, and the server does not start if that fails: once the setup is complete and the certificates are loaded.
std::shared_ptr<grpc::ServerCredentials> MakeListeningCredentials(std::shared_ptr<ServerSetup> setup,
                                                                  PortSecurity security,
                                                                  std::shared_ptr<CertificateSource> certificates,
                                                                  std::weak_ptr<Acceptor> acceptor);

}  // namespace watchword
