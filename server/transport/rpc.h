#pragma once

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "server/domain/passwords.h"
#include "server/service/audit_log.h"
#include "server/transport/status.h"
#include "watchword/base/clock.h"
#include "watchword/base/log.h"
#include "watchword/base/secret.h"

namespace watchword {

// Told of every RPC that a handler has answered: its full method name ("/package.Service/Method"), the outcome and how
// long it took. Thread-safe.
using RpcObserver = std::function<void(absl::string_view method, const absl::Status& status, absl::Duration duration)>;

// Who makes a call, as the gate has established; empty if nobody has said.
struct RpcCaller {
  std::string subject;
  std::string session;
};

// What all handlers share. Borrowed and copied freely.
struct RpcTools {
  const Clock& clock;
  Logger& log;
  RpcObserver observe;
  AuditLog& audit;
  std::function<RpcCaller(const grpc::ServerContextBase&)> caller;
};

// When the client gives up.
inline absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  return absl::FromChrono(context.deadline());
}

// A password out of a request, in memory that is wiped. Of one that is too long only enough is copied to see that.
inline Secret PasswordOf(const std::string& field) {
  return Secret::CopyOf(absl::string_view(field).substr(0, kMaxPasswordSize + 1));
}

// One unary call on its way: finishes it exactly once, counts and logs it.
class UnaryCall {
 public:
  UnaryCall(const RpcTools& tools, grpc::CallbackServerContext* context, absl::string_view method)
      : tools_(&tools),
        context_(context),
        reactor_(context->DefaultReactor()),
        method_(method),
        began_(tools.clock.SinceBoot()) {}

  grpc::ServerUnaryReactor* reactor() const { return reactor_; }
  const std::string& method() const { return method_; }

  // Answers the call. The call may be gone when this returns: touch neither it nor its messages after it.
  void Finish(const absl::Status& status) const {
    tools_->observe(method_, status, tools_->clock.SinceBoot() - began_);
    if (IsHidden(status)) {
      tools_->log.Error("a call failed", {{"method", method_}, {"error", status.ToString()}});
    }
    if (status.code() == absl::StatusCode::kResourceExhausted) {
      context_->AddTrailingMetadata("grpc-retry-pushback-ms",
                                    absl::StrCat(absl::ToInt64Milliseconds(RetryDelay(status))));
    }
    reactor_->Finish(ToGrpcStatus(status));
  }

 private:
  const RpcTools* tools_;
  grpc::CallbackServerContext* context_;
  grpc::ServerUnaryReactor* reactor_;
  std::string method_;
  absl::Duration began_;
};

}  // namespace watchword
