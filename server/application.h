#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/config/config.h"
#include "server/ops/json_log.h"

namespace watchword {

// The whole server, put together from its parts and running.
class Application {
 public:
  // Opens the store, makes what a first start makes, and serves. Any error is one line that says what is wrong and what
  // to do. Borrows `log`, which must outlive this.
  static absl::StatusOr<std::unique_ptr<Application>> Start(const Config& config, JsonLogger& log);

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
