#include "watchword/base/reason.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace watchword {
namespace {

constexpr absl::string_view kPayload = "watchword/reason";

}  // namespace

absl::Status ErrorWithReason(absl::StatusCode code, absl::string_view reason, absl::string_view detail) {
  absl::Status status(code, detail.empty() ? std::string(reason) : absl::StrCat(reason, ": ", detail));
  status.SetPayload(kPayload, absl::Cord(reason));
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  return payload.has_value() ? std::string(*payload) : std::string();
}

}  // namespace watchword
