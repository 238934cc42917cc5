#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/service/credentials.h"
#include "server/service/errors.h"
#include "watchword/base/executor.h"

namespace watchword {

// Runs `work`, a callable without arguments that returns absl::StatusOr<T>, on `executor` and hands its answer to
// `done`: or OVERLOADED, SHUTTING_DOWN or DEADLINE_EXCEEDED if it was not done. `weight` as for Executor::Submit.
template <typename T, typename Work>
void OnExecutor(Executor& executor, absl::Time deadline, Work work, Done<T> done, size_t weight = 0) {
  auto shared_done = std::make_shared<Done<T>>(std::move(done));  // Submit drops the work that it refuses
  const absl::Status queued = executor.Submit(
      deadline,
      [shared_done, work = std::move(work)](const absl::Status& status) mutable {
        if (!status.ok()) return (*shared_done)(NotDone(status));
        (*shared_done)(work());
      },
      weight);
  if (!queued.ok()) (*shared_done)(NotDone(queued));
}

}  // namespace watchword
