// watchwordd: the auth service.

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "server/application.h"
#include "server/config/config.h"
#include "server/ops/file_limit.h"
#include "server/ops/json_log.h"
#include "watchword/base/scheduling.h"

namespace {

constexpr int kExitFailed = 1;
constexpr int kExitSecondSignal = 130;

// Secrets live in this process's memory: none of it goes to a core file, and no debugger of the same user attaches.
void HideMemory() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
}

sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

void WaitForEndSignal() {
  const sigset_t signals = EndSignals();
  int signal = 0;
  sigwait(&signals, &signal);
}

// Whether all of `duration` has passed without a signal to end.
bool SleepUnlessEnded(absl::Duration duration) {
  const sigset_t signals = EndSignals();
  const timespec patience = absl::ToTimespec(duration);
  return sigtimedwait(&signals, nullptr, &patience) < 0;
}

// Calls take much less than that each, and whoever hashes passwords has longer slices, from which they get the
// processor when they come (AdjustScheduling).
constexpr absl::Duration kSliceOfCalls = absl::Microseconds(100);

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "watchwordd: %s\n", std::string(status.message()).c_str());
  return kExitFailed;
}

}  // namespace

int main(int argc, char** argv) {
  HideMemory();
  watchword::RaiseFileLimit();
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // gRPC's locks cost a tenth without it
  // gRPC would write lines of its own between ours, some at the will of whoever connects; the variable brings them
  // back.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = EndSignals();
  // Before any thread is made: all inherit both.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  watchword::AdjustScheduling(0, kSliceOfCalls);

  const absl::StatusOr<watchword::ParsedConfig> parsed =
      watchword::ParseConfig(std::vector<std::string>(argv + 1, argv + argc), watchword::ProcessVariables());
  if (!parsed.ok()) return Fail(parsed.status());
  if (parsed->print.has_value()) {
    std::fputs(parsed->print->c_str(), stdout);
    return std::fflush(stdout) == 0 ? 0 : kExitFailed;
  }

  if (parsed->migrate) {
    const absl::Status migrated = watchword::Application::Migrate(parsed->config);
    return migrated.ok() ? 0 : Fail(migrated);
  }

  watchword::JsonLogger log({.minimum = parsed->config.log_level});
  absl::StatusOr<std::unique_ptr<watchword::Application>> application =
      watchword::Application::Start(parsed->config, log, SleepUnlessEnded);
  if (absl::IsCancelled(application.status())) return 0;  // it was asked to end
  if (!application.ok()) return Fail(application.status());
  WaitForEndSignal();
  std::thread([] {  // whoever signals twice is in a hurry
    WaitForEndSignal();
    _exit(kExitSecondSignal);
  })
      .detach();
  (*application)->AnnounceEnd();
  application->reset();
  log.Info("stopped");
  return 0;
}
