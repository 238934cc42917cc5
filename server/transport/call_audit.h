#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "grpcpp/server_context.h"
#include "server/service/audit_log.h"
#include "server/transport/rpc.h"

namespace watchword {

// Takes down in the audit log how one call went. Made while the call's metadata is there; used once, when it is over.
//
// What says nothing about anybody is left out: bad requests, overload, outages, deadlines. The metrics count those.
class CallAudit {
 public:
  // `type` is that of the event: one of server/service/audit_log.h. Borrows what `tools` has.
  CallAudit(const RpcTools& tools, const grpc::CallbackServerContext& context, absl::string_view type,
            absl::string_view method);

  // Of a call that an administrator makes: with who that is.
  static CallAudit OfAdministrator(const RpcTools& tools, const grpc::CallbackServerContext& context,
                                   absl::string_view type, absl::string_view method);

  // The event as far as it is known before the call: for use cases that record by themselves what they have done.
  const AuditEvent& event() const { return event_; }

  // The address of whom the caller acts for.
  void SetClient(std::string address) { event_.origin.client = std::move(address); }

  // Writes the event, and after it that the account is locked if the status says so. `target` is on whom; what the
  // status knows of that is added.
  void Record(const absl::Status& status, AuditTarget target = {}) const;

 private:
  AuditLog* log_;
  AuditEvent event_;
};

// The trace id of a W3C traceparent (version 00 or one that begins like it); empty if it is not one.
std::string TraceIdOf(absl::string_view traceparent);

}  // namespace watchword
