#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_interceptor.h"
#include "watchword/base/mutex.h"
#include "watchword/gate/admission.h"

namespace watchword {

// Ends streaming calls that would not be let in any more: their credential has expired or was revoked, its key is gone,
// or a revocation may be missing and their rule takes no risk. A call is judged when it begins; without this, one that
// stays open would outlive its session. The client sees CANCELLED and the handler's OnCancel runs, also while the
// stream is idle or the handler is blocked in a write.
//
// A thread judges the open streams again: within kTick when a revocation or a key set has come, else every kRound,
// since credentials also expire by themselves.
//
// Thread-safe.
class StreamGuard {
 public:
  static constexpr absl::Duration kTick = absl::Milliseconds(20);
  static constexpr absl::Duration kRound = absl::Milliseconds(100);

  // An open streaming call. gRPC keeps `context` alive until Forget returns.
  class Stream {
   public:
    Stream(grpc::ServerContextBase* context, std::string path, std::shared_ptr<const VerifiedCredential> credential)
        : path_(std::move(path)), context_(context), credential_(std::move(credential)) {}

   private:
    friend class StreamGuard;
    const std::string path_;
    Mutex mutex_;
    grpc::ServerContextBase* context_ ABSL_GUARDED_BY(mutex_);                      // null once the call is over
    std::shared_ptr<const VerifiedCredential> credential_ ABSL_GUARDED_BY(mutex_);  // the newest; null: not good
  };

  explicit StreamGuard(std::shared_ptr<Admission> admission);
  ~StreamGuard();
  StreamGuard(const StreamGuard&) = delete;
  StreamGuard& operator=(const StreamGuard&) = delete;

  // Watches over a call that was admitted and now begins. Null if the method is anonymous: nothing to watch over.
  std::shared_ptr<Stream> Watch(grpc::ServerContextBase* context, const std::string& path);
  // The call is over. When this returns, its context is no longer touched.
  void Forget(const std::shared_ptr<Stream>& stream);

  // Lets the open streams of the credential's session go on with it, where it meets the rule of the method, is bound to
  // the same client certificate if any, and expires later. How many it is of use to.
  int Renew(const std::shared_ptr<const VerifiedCredential>& credential);

  // Whether calls of the method need no credential; and that one is over, see Admission::EndAnonymous.
  bool IsAnonymous(const std::string& path) const { return admission_->rules().Find(path).allow_anonymous; }
  void EndAnonymous(const void* connection) { admission_->EndAnonymous(connection); }
  void BreakIfHarmful(const void* connection, const std::string& peer) { admission_->BreakIfHarmful(connection, peer); }
  bool IsHarmful(const void* connection) const { return admission_->IsHarmful(connection); }

  // How many streams are open, and how many were ended.
  size_t open() const;
  uint64_t ended() const { return ended_.load(std::memory_order_relaxed); }

 private:
  void Run();
  void JudgeAll();
  void Judge(Stream& stream);
  std::vector<std::shared_ptr<Stream>> Streams() const;

  const std::shared_ptr<Admission> admission_;
  mutable Mutex mutex_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<uint64_t> ended_{0};
  absl::flat_hash_set<std::shared_ptr<Stream>> streams_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

// Interceptors that tell the guard of each streaming call, and of the end of each call of an anonymous method. Shares
// the guard.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeStreamInterceptors(
    std::shared_ptr<StreamGuard> guard);

}  // namespace watchword
