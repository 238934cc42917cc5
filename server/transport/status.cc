#include "server/transport/status.h"

#include <optional>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/service/errors.h"
#include "watchword/base/reason.h"
#include "watchword/base/retry.h"

namespace watchword {
namespace {

constexpr char kDomain[] = "watchword";
constexpr absl::Duration kRetryAfter = absl::Seconds(1);  // where nothing better is known

grpc::Status WithDetails(grpc::StatusCode code, const std::string& message, google::rpc::Status details) {
  details.set_code(code);
  details.set_message(message);
  return grpc::Status(code, message, details.SerializeAsString());
}

void AddErrorInfo(const std::string& reason, google::rpc::Status& details) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain(kDomain);
  details.add_details()->PackFrom(info);
}

void AddRetryInfo(absl::Duration delay, google::rpc::Status& details) {
  google::rpc::RetryInfo retry;
  const int64_t seconds = absl::IDivDuration(delay, absl::Seconds(1), &delay);
  retry.mutable_retry_delay()->set_seconds(seconds);
  retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(delay)));
  details.add_details()->PackFrom(retry);
}

void AddBadRequest(const FieldViolation& wrong, google::rpc::Status& details) {
  google::rpc::BadRequest bad_request;
  auto* violation = bad_request.add_field_violations();
  violation->set_field(wrong.field);
  violation->set_description(wrong.description);
  details.add_details()->PackFrom(bad_request);
}

bool IsPlain(absl::StatusCode code) {
  return code == absl::StatusCode::kDeadlineExceeded || code == absl::StatusCode::kCancelled;
}

}  // namespace

bool IsHidden(const absl::Status& status) {
  return !status.ok() && ReasonOf(status).empty() && !IsPlain(status.code());
}

absl::Duration RetryDelay(const absl::Status& status) { return RetryDelayOf(status).value_or(kRetryAfter); }

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status details;
  if (IsHidden(status)) {
    AddErrorInfo("INTERNAL", details);
    return WithDetails(grpc::StatusCode::INTERNAL, "INTERNAL: the server's log says more", details);
  }
  const auto code = static_cast<grpc::StatusCode>(status.code());
  std::string message(status.message());
  if (IsPlain(status.code())) return grpc::Status(code, message);
  AddErrorInfo(ReasonOf(status), details);
  if (const std::optional<FieldViolation> wrong = FieldViolationOf(status)) AddBadRequest(*wrong, details);
  if (status.code() == absl::StatusCode::kResourceExhausted) AddRetryInfo(RetryDelay(status), details);
  return WithDetails(code, message, details);
}

}  // namespace watchword
