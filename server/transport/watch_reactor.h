#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "grpcpp/support/server_callback.h"
#include "server/service/environment.h"
#include "server/service/feed.h"
#include "server/service/verifiers.h"
#include "server/transport/rpc.h"
#include "watchword/base/mutex.h"
#include "watchword/v1/trust.grpc.pb.h"

namespace watchword {

// One verifier's trust feed. It does one thing at a time, a write or a read of the store, and decides what is next when
// that is done: the keys, where to begin, the parts of a snapshot, then whatever is after its cursor, then a heartbeat.
// So it holds one message at most, however slow the verifier is.
//
// Thread-safe. Owns itself until the call is over.
class WatchReactor final : public grpc::ServerBidiReactor<v1::WatchRequest, v1::WatchResponse>, public Feed::Listener {
 public:
  // Begins to serve a call. `environment` and `tools` must outlive it.
  static WatchReactor* Start(const Environment& environment, const RpcTools& tools);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void OnNews() override;
  void OnHeartbeat() override;
  void OnNewEpoch() override;
  void OnEnd() override;

 private:
  enum class Phase { kAwaitingHello, kKeys, kChoosingStart, kSnapshot, kFollowing };

  WatchReactor(const Environment& environment, const RpcTools& tools) : environment_(environment), tools_(tools) {}

  // Takes what the verifier says; what is wrong with it, if anything.
  absl::Status TakeRequest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TakeHello() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TakeKeyIds() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TakeActivity() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Asks for the call to be finished with `status` as soon as nothing is under way.
  void End(const absl::Status& status);
  // Does the next thing, unless one is under way.
  void Advance();
  // What to do next; the thing is done by calling it, without the lock. Null if there is nothing to do.
  absl::AnyInvocable<void()> Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::AnyInvocable<void()> NextWhileFollowing() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::AnyInvocable<void()> WriteKeys() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::AnyInvocable<void()> Write() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Runs `read` on the store executor, then goes on.
  void OnStore(absl::Status (WatchReactor::*read)());
  absl::Status ChooseStart();
  absl::Status ReadSnapshotPart();
  absl::Status ReadEntries();
  void FillRevocations(const std::vector<RevocationRecord>& entries) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StepDone(const absl::Status& status);

  const Environment& environment_;
  const RpcTools& tools_;
  std::shared_ptr<WatchReactor> self_;  // until OnDone
  v1::WatchRequest request_;
  v1::WatchResponse response_;  // belongs to whoever holds busy_

  Mutex mutex_;
  Phase phase_ ABSL_GUARDED_BY(mutex_) = Phase::kAwaitingHello;
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;   // a write or a read of the store is under way
  bool ready_ ABSL_GUARDED_BY(mutex_) = false;  // response_ was filled from the store and waits to be written
  // The cursor at which the next heartbeat says what is so: at the head that was read when the verifier came, anywhere
  // when the feed has just read on.
  std::optional<uint64_t> heartbeat_due_from_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_status_ ABSL_GUARDED_BY(mutex_);
  uint64_t keys_version_ ABSL_GUARDED_BY(mutex_) = 0;  // of the keys that were sent
  uint64_t cursor_ ABSL_GUARDED_BY(mutex_) = 0;        // the last seq that was sent
  uint64_t snapshot_seq_ ABSL_GUARDED_BY(mutex_) = 0;  // the seq that the snapshot stands for
  v1::Hello hello_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Verifiers::Connection> connection_ ABSL_GUARDED_BY(mutex_);  // null before the Hello
};

}  // namespace watchword
