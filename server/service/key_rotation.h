#pragma once

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "server/service/audit_log.h"
#include "server/service/environment.h"
#include "server/service/feed.h"
#include "server/service/key_ring.h"
#include "server/service/key_schedule.h"
#include "server/service/verifiers.h"
#include "watchword/base/mutex.h"

namespace watchword {

// The life of the signing keys: publishes a new one when the active one has signed for long enough, makes it active
// when all who have to know it do, and deletes the old one when nothing that it has signed can be alive. What is due is
// decided by NextKeyStep, and who does it by a condition in the store, so that of several servers one does.
//
// It also keeps this server's key ring, trust state and trust feeds up with what others have done, on a thread of its
// own: every second and whenever something was revoked.
//
// Thread-safe.
class KeyRotation final : public Feed::Listener {
 public:
  // Borrows all, which must outlive this. The ring's keys are announced at once.
  KeyRotation(const Environment& environment, KeyRing& ring, AuditLog& audit, const KeySchedule& schedule);
  ~KeyRotation() override;

  // Starts the thread.
  void Start();

  // One round: reads the keys, then does whatever is due. Blocks, as the next two do; an error is the store's or the
  // key file's.
  absl::Status Step();

  // Publishes a new key, unless one is published already; with `now` makes it active at once. The new key as it is
  // then. `by`: who asks, for the audit log.
  absl::StatusOr<SigningKeyRecord> Rotate(bool now, const AuditEvent& by);

  // Revokes everything that a key has signed, for ever: it is deleted, and if it was the active one another signs from
  // now on. The active key as it is then. NOT_FOUND (SIGNING_KEY_NOT_FOUND).
  absl::StatusOr<SigningKeyRecord> Revoke(const std::string& key_id, const AuditEvent& by);

  void OnNews() override;
  void OnHeartbeat() override {}
  void OnEnd() override {}

 private:
  void Run();
  // Waits until poked or for the interval; whether to go on.
  bool Pause();
  // Reads the keys and tells everybody here if they have changed.
  absl::Status Refresh();
  void AnnounceKeys();
  absl::StatusOr<bool> Do(const KeyStep& step);
  absl::StatusOr<bool> Publish(const std::string& active, const AuditEvent& by);
  absl::StatusOr<bool> Activate(const std::string& key_id, const std::string& active, const AuditEvent& by);
  // Notes what became of a key.
  void Note(const std::string& key_id, absl::string_view state, const AuditEvent& by);
  void WarnOfSilence(const SigningKeyRecord& published);

  const Environment environment_;
  KeyRing& ring_;
  AuditLog& audit_;
  const KeySchedule schedule_;
  std::string warned_of_;  // the thread's own
  Mutex announce_mutex_;
  uint64_t announced_ ABSL_GUARDED_BY(announce_mutex_) = 0;
  Mutex mutex_;
  CondVar wake_;
  bool poked_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace watchword
