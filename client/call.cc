#include "watchword/client/call.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "watchword/base/reason.h"
#include "watchword/credentials/call_credentials.h"

namespace watchword {
namespace {

constexpr absl::string_view kCallPayload = "watchword/call";

std::string ReasonInDetails(const grpc::Status& status) {
  google::rpc::Status details;
  if (status.error_details().empty() || !details.ParseFromString(status.error_details())) return "";
  for (const auto& detail : details.details()) {
    google::rpc::ErrorInfo info;
    if (detail.Is<google::rpc::ErrorInfo>() && detail.UnpackTo(&info)) return info.reason();
  }
  return "";
}

// Refusals of a gate carry no details. gRPC's own messages may begin with a code such as "UNKNOWN:"; every reason of a
// gate has an underscore, which tells them apart.
std::string ReasonInMessage(absl::string_view message) {
  const absl::string_view word = message.substr(0, message.find(':'));
  if (word.find('_') == absl::string_view::npos) return "";
  for (const char c : word) {
    if (!absl::ascii_isupper(static_cast<unsigned char>(c)) && c != '_') return "";
  }
  return std::string(word);
}

}  // namespace

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());  // the numbers are the same by design
  const std::string text = status.error_message();
  std::string reason = ReasonInDetails(status);
  if (reason.empty()) reason = ReasonInMessage(text);
  absl::Status result(code, text);
  if (!reason.empty()) {
    absl::string_view detail = text;
    if (absl::ConsumePrefix(&detail, reason)) absl::ConsumePrefix(&detail, ": ");
    result = ErrorWithReason(code, reason, detail);
  }
  result.SetPayload(kCallPayload, absl::Cord());
  return result;
}

bool IsCallError(const absl::Status& status) { return status.GetPayload(kCallPayload).has_value(); }

absl::Status PrepareContext(const CallOptions& options, grpc::ClientContext& context) {
  context.set_deadline(absl::ToChronoTime(absl::Now() + options.timeout));
  if (options.bearer.empty()) return absl::OkStatus();
  if (auto status = CheckBearer(options.bearer); !status.ok()) return status;
  context.AddMetadata("authorization", absl::StrCat("Bearer ", options.bearer));
  return absl::OkStatus();
}

}  // namespace watchword
