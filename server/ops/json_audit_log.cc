#include "server/ops/json_audit_log.h"

#include <utility>

#include "nlohmann/json.hpp"
#include "server/ops/json_line.h"

namespace watchword {
namespace {

// What is not known is left out.
void Put(nlohmann::ordered_json& object, const char* name, const std::string& value) {
  if (!value.empty()) object[name] = value.substr(0, JsonAuditLog::kMaxText);
}

}  // namespace

absl::StatusOr<std::unique_ptr<JsonAuditLog>> JsonAuditLog::Open(const Options& options, const Clock& clock) {
  if (options.file.empty()) {
    auto writer = std::make_unique<LineWriter>(options.descriptor, options.queue_capacity);
    return std::unique_ptr<JsonAuditLog>(new JsonAuditLog(std::move(writer), clock));
  }
  auto writer = LineWriter::ToFile(options.file, options.queue_capacity);
  if (!writer.ok()) return writer.status();
  return std::unique_ptr<JsonAuditLog>(new JsonAuditLog(*std::move(writer), clock));
}

void JsonAuditLog::Record(const AuditEvent& event) {
  recorded_.fetch_add(1, std::memory_order_relaxed);
  nlohmann::ordered_json line;
  line["time"] = FormatLogTime(clock_.Now());
  line["log"] = "audit";
  line["event"] = std::string(event.type);
  line["result"] = event.reason.empty() ? "success" : "failure";
  Put(line, "reason", event.reason);
  Put(line, "cause", event.cause);
  Put(line, "actor", event.actor);
  Put(line, "actor_session", event.actor_session);
  Put(line, "subject", event.target.subject);
  Put(line, "username", event.target.username);
  Put(line, "session", event.target.session);
  Put(line, "detail", event.target.detail);
  Put(line, "peer", event.origin.peer);
  Put(line, "client", event.origin.client);
  Put(line, "method", event.origin.method);
  Put(line, "trace_id", event.origin.trace_id);
  Put(line, "request_id", event.origin.request_id);
  writer_->Write(ToLine(line));
}

}  // namespace watchword
