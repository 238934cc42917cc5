#pragma once

#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/service/verifiers.h"
#include "server/store/store.h"
#include "watchword/base/log.h"
#include "watchword/base/mutex.h"
#include "watchword/base/uuid.h"

namespace watchword {

// Tells the other servers of a shared store which verifiers watch this one and what they have acknowledged, and brings
// what the others tell, on a thread of its own: at once when something has changed or somebody waits, else every
// second.
//
// Thread-safe.
class VerifierExchange {
 public:
  // Starts. Borrows all, which must outlive this. `remember_lost`: for how long a server that is gone is remembered.
  VerifierExchange(Replicas& replicas, const Uuid& self, Verifiers& verifiers, const Clock& clock,
                   absl::Duration remember_lost, Logger& log);
  ~VerifierExchange();
  VerifierExchange(const VerifierExchange&) = delete;
  VerifierExchange& operator=(const VerifierExchange&) = delete;

 private:
  void Run();
  bool Pause();
  absl::Status Report();
  absl::Status Ask();

  Replicas& replicas_;
  const Uuid self_;
  Verifiers& verifiers_;
  const Clock& clock_;
  const absl::Duration remember_lost_;
  Logger& log_;
  uint64_t reported_version_ = 0;  // the thread's own, as the next two
  absl::Duration reported_at_ = -absl::InfiniteDuration();
  absl::Duration asked_at_ = -absl::InfiniteDuration();
  Mutex mutex_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// A report is text: a line "key ID" for each key that all live verifiers of the server hold, then a line for each
// verifier, "live INSTANCE SEQ" or "lost INSTANCE SECONDS", the instance in hex. Lines that are not understood, as of
// a later release, are left out.
struct VerifierReport {
  std::vector<Verifiers::State> states;
  std::vector<std::string> held_keys;
};
std::string FormatVerifierReport(const VerifierReport& report);
VerifierReport ParseVerifierReport(absl::string_view text);

}  // namespace watchword
