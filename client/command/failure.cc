#include "client/command/failure.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/command/output.h"
#include "watchword/base/reason.h"
#include "watchword/client/call.h"
#include "watchword/client/credential_file.h"

namespace watchword {
namespace {

// Of the two codes of a refusal, the file system uses one for itself.
bool IsRefusal(const absl::Status& failure) {
  return absl::IsUnauthenticated(failure) || (absl::IsPermissionDenied(failure) && IsCallError(failure));
}

// "is over" of "TOKEN_REVOKED: is over".
absl::string_view DetailOf(const absl::Status& failure) {
  absl::string_view detail = failure.message();
  if (const std::string reason = ReasonOf(failure); !reason.empty()) {
    detail.remove_prefix(std::min(detail.size(), reason.size() + 2));
  }
  return detail;
}

std::string DescribeRefusal(const absl::Status& failure, const std::string& address) {
  const std::string reason = ReasonOf(failure);
  if (reason == "INVALID_CREDENTIALS") return absl::StrCat(address, " refused the user name or the password");
  if (reason == "INSUFFICIENT_SCOPE") {
    return absl::StrCat(failure.message(), "; use a login that has the scope (--user NAME)");
  }
  if (absl::IsUnauthenticated(failure)) {
    return absl::StrCat(failure.message(), "; log in again: watchword login NAME --address ", address);
  }
  return std::string(failure.message());
}

std::string DescribeCallFailure(const absl::Status& failure, const std::string& address, absl::Duration timeout) {
  if (absl::IsUnavailable(failure) && ReasonOf(failure).empty()) {
    return absl::StrCat("cannot reach ", address, ": ", failure.message(),
                        "; check --address, the TLS options, and that watchwordd runs there");
  }
  if (absl::IsDeadlineExceeded(failure)) {
    return absl::StrCat("no answer from ", address, " within ", absl::FormatDuration(timeout),
                        "; check --address, or wait longer with --timeout");
  }
  if (absl::IsUnimplemented(failure)) {
    return absl::StrCat(address, " does not know this request: ", failure.message(), "; is it a Watchword server?");
  }
  return absl::StrCat(address, " answered ", failure.ToString(absl::StatusToStringMode::kWithNoExtraData));
}

}  // namespace

ExitCode ExitCodeOf(const absl::Status& failure) {
  if (failure.ok()) return kExitDone;
  if (ReasonOf(failure) == kNotLoggedIn) return kExitNotLoggedIn;
  if (IsRefusal(failure)) return kExitRefused;
  return IsCallError(failure) ? kExitServer : kExitLocal;
}

std::string DescribeFailure(const absl::Status& failure, const std::string& address, absl::Duration timeout) {
  switch (ExitCodeOf(failure)) {
    case kExitNotLoggedIn:
      return Printable(absl::StrCat(DetailOf(failure), "; run: watchword login NAME --address ", address));
    case kExitRefused:
      return Printable(DescribeRefusal(failure, address));
    case kExitServer:
      return Printable(DescribeCallFailure(failure, address, timeout));
    default:
      return Printable(failure.message());
  }
}

}  // namespace watchword
