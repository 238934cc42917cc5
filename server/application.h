#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/config/config.h"
#include "server/ops/json_log.h"

namespace watchword {

// The whole server, put together from its parts and running.
class Application {
 public:
  // Waits for as long as it is given; false if the process is asked to end.
  using Wait = std::function<bool(absl::Duration)>;

  // Opens the store, makes what a first start makes, and serves. While a shared store cannot be reached it tries again,
  // with the operations port open; CANCELLED if `wait` says false meanwhile. Any other error is one line that says what
  // is wrong and what to do. Borrows `log`, which must outlive this.
  static absl::StatusOr<std::unique_ptr<Application>> Start(const Config& config, JsonLogger& log, const Wait& wait);

  // Brings the schema of a shared store up to date. Errors are as above; UNAVAILABLE if it cannot be reached.
  static absl::Status Migrate(const Config& config);

  // Ends the trust feeds, lets calls under way finish for the drain timeout at most, and stops.
  ~Application();

  // Says NOT_SERVING, and goes on serving for the drain delay, so that load balancers notice first.
  void AnnounceEnd();

 private:
  struct Parts;
  explicit Application(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace watchword
