#include "server/service/audit_log.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace watchword {
namespace {

constexpr absl::string_view kPayload = "watchword/audit/";

void Put(absl::Status& status, absl::string_view name, const std::string& value) {
  if (!value.empty()) status.SetPayload(absl::StrCat(kPayload, name), absl::Cord(value));
}

std::string Get(const absl::Status& status, absl::string_view name) {
  const auto value = status.GetPayload(absl::StrCat(kPayload, name));
  return value.has_value() ? std::string(*value) : "";
}

}  // namespace

absl::Status WithAuditNote(absl::Status status, const AuditNote& note) {
  Put(status, "subject", note.target.subject);
  Put(status, "username", note.target.username);
  Put(status, "session", note.target.session);
  Put(status, "detail", note.target.detail);
  Put(status, "cause", note.cause);
  Put(status, "locks-account", note.locks_account ? "yes" : "");
  return status;
}

AuditNote AuditNoteOf(const absl::Status& status) {
  return {.target = {.subject = Get(status, "subject"),
                     .username = Get(status, "username"),
                     .session = Get(status, "session"),
                     .detail = Get(status, "detail")},
          .cause = Get(status, "cause"),
          .locks_account = !Get(status, "locks-account").empty()};
}

}  // namespace watchword
