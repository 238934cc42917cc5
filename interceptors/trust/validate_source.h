#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "watchword/base/log.h"
#include "watchword/base/mutex.h"
#include "watchword/trust/session_directory.h"
#include "watchword/v1/auth.grpc.pb.h"

namespace grpc {
class CallCredentials;
class ClientContext;
}  // namespace grpc

namespace watchword {

// Asks AuthService.Validate about session tokens, without holding a thread. That our own credential is refused is an
// outage for callers, and an error in the log for whoever set it up.
//
// Thread-safe.
class ValidateSource final : public SessionDirectory::Source {
 public:
  // `credentials` may be null if the channel itself carries some. Borrows `log`, which must outlive this.
  ValidateSource(const std::shared_ptr<grpc::ChannelInterface>& channel,
                 std::shared_ptr<grpc::CallCredentials> credentials, Logger& log);
  // Cancels what is under way, and waits until it has been answered.
  ~ValidateSource() override;

  void LookUp(const std::string& credential,
              absl::AnyInvocable<void(absl::StatusOr<SessionDirectory::Session>)> done) override;

 private:
  struct Call;
  absl::StatusOr<SessionDirectory::Session> Judge(const grpc::Status& status, const v1::ValidateResponse& response);

  const std::unique_ptr<v1::AuthService::Stub> stub_;
  const std::shared_ptr<grpc::CallCredentials> credentials_;
  Logger& log_;
  Mutex mutex_;
  CondVar idle_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<grpc::ClientContext*> under_way_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace watchword
