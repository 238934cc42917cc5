#pragma once

#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/store/store.h"
#include "watchword/base/executor.h"
#include "watchword/base/log.h"
#include "watchword/base/mutex.h"

namespace grpc {
class HealthCheckServiceInterface;
}

namespace watchword {

// Says whether the server can do its work: asks the store every second, and tells gRPC health checks, by the name of
// each service, and whoever asks for readiness. The empty service name is SERVING until the server is about to stop,
// whatever the store does: clients avoid a server by it, and much is answered from memory. "liveness" stays SERVING as
// long as the process runs, so that an outage of the store restarts nobody.
//
// Thread-safe.
class HealthReporter {
 public:
  // Starts. Borrows all, which must outlive this.
  HealthReporter(Store& store, Executor& store_executor, grpc::HealthCheckServiceInterface& health,
                 std::vector<std::string> services, Logger& log);
  ~HealthReporter();
  HealthReporter(const HealthReporter&) = delete;
  HealthReporter& operator=(const HealthReporter&) = delete;

  // OK, or why the server cannot do its work.
  absl::Status readiness() const;

  // Reports NOT_SERVING from now on.
  void Drain();

 private:
  void Run();
  absl::Status Ask();
  void Report(absl::Status readiness) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Store& store_;
  Executor& store_executor_;
  grpc::HealthCheckServiceInterface& health_;
  const std::vector<std::string> services_;
  Logger& log_;
  mutable Mutex mutex_;
  CondVar wake_;
  absl::Status readiness_ ABSL_GUARDED_BY(mutex_) = absl::UnavailableError("starting");
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace watchword
