#pragma once

#include <memory>

#include "watchword/gate/port_security.h"

namespace grpc {
class ServerCredentials;
}

namespace watchword {

class CertificateSource;
struct ServerSetup;

// Server credentials that secure a port as `security` says and ask the setup's admission about every call that comes
// through it. The port opens only once the setup is complete. `certificates` is null without TLS.
std::shared_ptr<grpc::ServerCredentials> MakeGuardedCredentials(std::shared_ptr<ServerSetup> setup,
                                                                PortSecurity security,
                                                                std::shared_ptr<CertificateSource> certificates);

}  // namespace watchword
