#include "watchword/base/reason.h"

#include "gtest/gtest.h"

namespace watchword {
namespace {

TEST(ReasonTest, MessageBeginsWithTheReason) {
  const absl::Status status = ErrorWithReason(absl::StatusCode::kUnauthenticated, "TOKEN_EXPIRED", "log in again");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(status.message(), "TOKEN_EXPIRED: log in again");
  EXPECT_EQ(ReasonOf(status), "TOKEN_EXPIRED");
}

TEST(ReasonTest, WithoutDetailTheMessageIsTheReason) {
  EXPECT_EQ(ErrorWithReason(absl::StatusCode::kUnauthenticated, "TOKEN_EXPIRED").message(), "TOKEN_EXPIRED");
}

TEST(ReasonTest, TextThatOnlyLooksLikeAReasonIsNone) {
  EXPECT_EQ(ReasonOf(absl::UnauthenticatedError("TOKEN_EXPIRED: log in again")), "");
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "");
}

}  // namespace
}  // namespace watchword
