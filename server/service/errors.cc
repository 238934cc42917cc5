#include "server/service/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "watchword/base/reason.h"
#include "watchword/base/retry.h"

namespace watchword {
namespace {

constexpr absl::string_view kFieldPayload = "watchword/field";
constexpr absl::string_view kDescriptionPayload = "watchword/field-description";

}  // namespace

absl::Status InvalidField(absl::string_view field, absl::string_view description) {
  absl::Status status = ErrorWithReason(absl::StatusCode::kInvalidArgument, kInvalidArgument,
                                        absl::StrCat("`", field, "`: ", description));
  status.SetPayload(kFieldPayload, absl::Cord(field));
  status.SetPayload(kDescriptionPayload, absl::Cord(description));
  return status;
}

std::optional<FieldViolation> FieldViolationOf(const absl::Status& status) {
  const auto field = status.GetPayload(kFieldPayload);
  const auto description = status.GetPayload(kDescriptionPayload);
  if (!field.has_value() || !description.has_value()) return std::nullopt;
  return FieldViolation{std::string(*field), std::string(*description)};
}

absl::Status NotDone(const absl::Status& from_executor) {
  switch (from_executor.code()) {
    case absl::StatusCode::kResourceExhausted: {
      const absl::Status overloaded = ErrorWithReason(absl::StatusCode::kResourceExhausted, kOverloaded,
                                                      "the server has more work than it can do; try again later");
      const auto delay = RetryDelayOf(from_executor);
      return delay.has_value() ? WithRetryDelay(overloaded, *delay) : overloaded;
    }
    case absl::StatusCode::kCancelled:
      return ErrorWithReason(absl::StatusCode::kUnavailable, kShuttingDown, "the server is stopping");
    default:
      return from_executor;
  }
}

absl::Status StoreFailed(const absl::Status& from_store) {
  if (from_store.code() != absl::StatusCode::kUnavailable) return from_store;
  return ErrorWithReason(absl::StatusCode::kUnavailable, kStoreUnavailable, from_store.message());
}

}  // namespace watchword
