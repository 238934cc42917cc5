#include "watchword/trust/validate_source.h"

#include <chrono>
#include <utility>

#include "grpcpp/client_context.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/client_callback.h"
#include "watchword/base/reason.h"
#include "watchword/base/uuid.h"

namespace watchword {
namespace {

constexpr std::chrono::seconds kTimeout(5);

absl::Time ToTime(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

SessionDirectory::Session ToSession(const v1::ValidateResponse& response) {
  SessionDirectory::Session session;
  session.claims = {.subject = response.principal().subject(),
                    .session_id = response.session_id(),
                    .audiences = {response.audiences().begin(), response.audiences().end()},
                    .scopes = {response.scopes().begin(), response.scopes().end()},
                    .expires_at = ToTime(response.session_expires_at()),
                    .username = response.principal().username()};
  if (const auto id = Uuid::Parse(response.session_id()); id.ok() && id->IsV7()) {
    session.claims.issued_at = id->V7Time();
  }
  session.idle_timeout =
      absl::Seconds(response.idle_timeout().seconds()) + absl::Nanoseconds(response.idle_timeout().nanos());
  return session;
}

}  // namespace

struct ValidateSource::Call {
  grpc::ClientContext context;
  v1::ValidateRequest request;
  v1::ValidateResponse response;
  absl::AnyInvocable<void(absl::StatusOr<SessionDirectory::Session>)> done;
};

ValidateSource::ValidateSource(const std::shared_ptr<grpc::ChannelInterface>& channel,
                               std::shared_ptr<grpc::CallCredentials> credentials, Logger& log)
    : stub_(v1::AuthService::NewStub(channel)), credentials_(std::move(credentials)), log_(log) {}

ValidateSource::~ValidateSource() {
  MutexLock lock(mutex_);
  stopping_ = true;
  for (grpc::ClientContext* context : under_way_) context->TryCancel();
  while (!under_way_.empty()) idle_.Wait(mutex_);
}

void ValidateSource::LookUp(const std::string& credential,
                            absl::AnyInvocable<void(absl::StatusOr<SessionDirectory::Session>)> done) {
  auto call = std::make_shared<Call>();
  call->request.set_credential(credential);
  call->context.set_deadline(std::chrono::system_clock::now() + kTimeout);
  if (credentials_ != nullptr) call->context.set_credentials(credentials_);
  call->done = std::move(done);
  {
    MutexLock lock(mutex_);
    if (!stopping_) under_way_.insert(&call->context);
    if (stopping_) call->context.TryCancel();
  }
  stub_->async()->Validate(&call->context, &call->request, &call->response, [this, call](const grpc::Status& status) {
    call->done(Judge(status, call->response));
    MutexLock lock(mutex_);
    under_way_.erase(&call->context);
    if (under_way_.empty()) idle_.NotifyAll();
  });
}

absl::StatusOr<SessionDirectory::Session> ValidateSource::Judge(const grpc::Status& status,
                                                                const v1::ValidateResponse& response) {
  if (!status.ok()) {
    log_.Error("a session token cannot be looked up", {{"error", status.error_message()}});
    return absl::UnavailableError(status.error_message());
  }
  if (!response.active()) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, response.reason(), "the session token is not good");
  }
  if (response.kind() != v1::CREDENTIAL_KIND_SESSION_TOKEN || !response.has_session_expires_at()) {
    return absl::InternalError("the auth service takes a session token for something else");
  }
  return ToSession(response);
}

}  // namespace watchword
