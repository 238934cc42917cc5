#pragma once

#include <memory>
#include <string>
#include <vector>

#include "watchword/gate/admission.h"
#include "watchword/gate/stream_guard.h"

namespace grpc {
class Service;
}

namespace watchword {

// VerifierService: renews streams, and says which rule holds for each of `methods`.
std::shared_ptr<grpc::Service> MakeVerifierService(std::shared_ptr<Admission> admission,
                                                   std::shared_ptr<StreamGuard> streams,
                                                   std::vector<std::string> methods);

}  // namespace watchword
