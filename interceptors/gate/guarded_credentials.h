#pragma once

#include <memory>

#include "watchword/gate/port_security.h"

namespace grpc {
class ServerCredentials;
}

namespace watchword {

class Admission;

// Server credentials that secure a port as `security` says and ask `admission` about every call that comes through it.
std::shared_ptr<grpc::ServerCredentials> MakeGuardedCredentials(std::shared_ptr<Admission> admission,
                                                                PortSecurity security);

}  // namespace watchword
