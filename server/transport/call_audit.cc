#include "server/transport/call_audit.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "watchword/base/reason.h"

namespace watchword {
namespace {

constexpr size_t kMaxRequestId = 128;

bool SaysSomething(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return false;
    default:
      return true;
  }
}

// The only entry with this key; empty if there is none or another.
absl::string_view EntryOf(const grpc::CallbackServerContext& context, const char* key) {
  const auto [begin, end] = context.client_metadata().equal_range(key);
  if (begin == end || std::next(begin) != end) return "";
  return {begin->second.data(), begin->second.size()};
}

std::string RequestIdOf(absl::string_view text) {
  const bool good = text.size() <= kMaxRequestId && std::all_of(text.begin(), text.end(), absl::ascii_isgraph);
  return good ? std::string(text) : "";
}

void AddMissing(std::string& to, std::string from) {
  if (to.empty()) to = std::move(from);
}

}  // namespace

std::string TraceIdOf(absl::string_view traceparent) {
  // version "-" trace-id "-" parent-id "-" flags
  constexpr size_t kSize = 55;
  constexpr size_t kIdAt = 3;
  constexpr size_t kIdSize = 32;
  const auto is_lower_hex = [](char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); };
  if (traceparent.size() < kSize || traceparent.substr(0, 2) == "ff") return "";
  if (traceparent.size() > kSize && (traceparent.substr(0, 2) == "00" || traceparent[kSize] != '-')) return "";
  for (size_t i = 0; i < kSize; ++i) {
    const bool dash = i == kIdAt - 1 || i == kIdAt + kIdSize || i == kSize - 3;
    if (dash ? traceparent[i] != '-' : !is_lower_hex(traceparent[i])) return "";
  }
  const absl::string_view id = traceparent.substr(kIdAt, kIdSize);
  return id.find_first_not_of('0') == absl::string_view::npos ? "" : std::string(id);
}

CallAudit::CallAudit(const RpcTools& tools, const grpc::CallbackServerContext& context, absl::string_view type,
                     absl::string_view method)
    : log_(&tools.audit),
      event_{.type = type,
             .origin = {.peer = context.peer(),
                        .method = std::string(method),
                        .trace_id = TraceIdOf(EntryOf(context, "traceparent")),
                        .request_id = RequestIdOf(EntryOf(context, "x-request-id"))}} {}

CallAudit CallAudit::OfAdministrator(const RpcTools& tools, const grpc::CallbackServerContext& context,
                                     absl::string_view type, absl::string_view method) {
  CallAudit audit(tools, context, type, method);
  const RpcCaller caller = tools.caller(context);
  audit.event_.actor = caller.subject;
  audit.event_.actor_session = caller.session;
  return audit;
}

void CallAudit::Record(const absl::Status& status, AuditTarget target) const {
  if (!SaysSomething(status)) return;
  AuditEvent event = event_;
  AuditNote note = AuditNoteOf(status);
  event.target = std::move(target);
  AddMissing(event.target.subject, std::move(note.target.subject));
  AddMissing(event.target.username, std::move(note.target.username));
  AddMissing(event.target.session, std::move(note.target.session));
  AddMissing(event.target.detail, std::move(note.target.detail));
  event.cause = std::move(note.cause);
  if (!status.ok()) event.reason = ReasonOf(status).empty() ? "INTERNAL" : ReasonOf(status);
  log_->Record(event);
  if (!note.locks_account) return;
  event.type = kAuditAccountLocked;
  event.reason = "";
  event.cause = "";
  log_->Record(event);
}

}  // namespace watchword
