#include "server/transport/health_reporter.h"

#include <pthread.h>

#include <future>
#include <memory>
#include <utility>

#include "grpcpp/health_check_service_interface.h"

namespace watchword {
namespace {

constexpr absl::Duration kInterval = absl::Seconds(1);
constexpr auto kPatience = std::chrono::seconds(3);

}  // namespace

HealthReporter::HealthReporter(Store& store, Executor& store_executor, grpc::HealthCheckServiceInterface& health,
                               std::vector<std::string> services, Logger& log)
    : store_(store), store_executor_(store_executor), health_(health), services_(std::move(services)), log_(log) {
  health_.SetServingStatus("liveness", true);
  for (const std::string& service : services_) health_.SetServingStatus(service, false);
  thread_ = std::thread([this] { Run(); });
}

HealthReporter::~HealthReporter() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
}

absl::Status HealthReporter::readiness() const {
  MutexLock lock(mutex_);
  return readiness_;
}

void HealthReporter::Drain() {
  MutexLock lock(mutex_);
  draining_ = true;
  health_.SetServingStatus("", false);
  Report(absl::UnavailableError("the server is stopping"));
}

void HealthReporter::Run() {
  pthread_setname_np(pthread_self(), "health");
  while (true) {
    absl::Status answer = Ask();
    MutexLock lock(mutex_);
    if (!draining_) Report(std::move(answer));
    if (!stopping_) wake_.WaitFor(mutex_, kInterval);
    if (stopping_) return;
  }
}

absl::Status HealthReporter::Ask() {
  auto answer = std::make_shared<std::promise<absl::Status>>();
  std::future<absl::Status> future = answer->get_future();
  const absl::Status queued = store_executor_.Submit(
      absl::InfiniteFuture(),
      // Not `this`: whoever waits may have lost patience, and be gone, before it is this one's turn.
      [&store = store_, answer](const absl::Status& status) {
        answer->set_value(status.ok() ? store.Ping() : status);
      });
  if (!queued.ok()) return queued;
  if (future.wait_for(kPatience) != std::future_status::ready)
    return absl::UnavailableError("the store does not answer");
  return future.get();
}

void HealthReporter::Report(absl::Status readiness) {
  if (readiness.ok() == readiness_.ok()) {
    readiness_ = std::move(readiness);
    return;
  }
  readiness_ = std::move(readiness);
  for (const std::string& service : services_) health_.SetServingStatus(service, readiness_.ok());
  if (readiness_.ok()) {
    log_.Info("ready");
  } else {
    log_.Warning("not ready", {{"error", std::string(readiness_.message())}});
  }
}

}  // namespace watchword
