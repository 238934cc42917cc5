#include "server/transport/status.h"

#include <string>

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/service/errors.h"
#include "watchword/base/reason.h"
#include "watchword/base/retry.h"
#include "watchword/token/reasons.h"

namespace watchword {
namespace {

using testing::HasSubstr;
using testing::Not;

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

TEST(StatusTest, TheReasonIsInTheMessageAndInAnErrorInfo) {
  const grpc::Status status =
      ToGrpcStatus(ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenExpired, "log in again"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(status.error_message(), "TOKEN_EXPIRED: log in again");
  const google::rpc::Status details = DetailsOf(status);
  EXPECT_EQ(details.code(), 16);
  EXPECT_EQ(details.message(), status.error_message());
  google::rpc::ErrorInfo info;
  ASSERT_EQ(details.details_size(), 1);
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "TOKEN_EXPIRED");
  EXPECT_EQ(info.domain(), "watchword");
}

TEST(StatusTest, ABadFieldIsNamedInABadRequest) {
  const grpc::Status status = ToGrpcStatus(InvalidField("username", "must not be empty"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "INVALID_ARGUMENT: `username`: must not be empty");
  google::rpc::BadRequest bad_request;
  const google::rpc::Status details = DetailsOf(status);
  ASSERT_EQ(details.details_size(), 2);
  ASSERT_TRUE(details.details(1).UnpackTo(&bad_request));
  EXPECT_EQ(bad_request.field_violations(0).field(), "username");
  EXPECT_EQ(bad_request.field_violations(0).description(), "must not be empty");
}

TEST(StatusTest, OverloadSaysHowLongToWait) {
  const grpc::Status status = ToGrpcStatus(NotDone(absl::ResourceExhaustedError("the hash queue is full")));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  google::rpc::RetryInfo retry;
  const google::rpc::Status details = DetailsOf(status);
  ASSERT_EQ(details.details_size(), 2);
  ASSERT_TRUE(details.details(1).UnpackTo(&retry));
  EXPECT_GE(retry.retry_delay().seconds(), 1);
}

TEST(StatusTest, OverloadSaysHowLongToWaitAsTheQueueSaidIt) {
  const absl::Status full = NotDone(WithRetryDelay(absl::ResourceExhaustedError("full"), absl::Milliseconds(2345)));
  EXPECT_EQ(RetryDelay(full), absl::Milliseconds(2345));
  EXPECT_EQ(RetryDelay(NotDone(full)), absl::Milliseconds(2345));
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(DetailsOf(ToGrpcStatus(full)).details(1).UnpackTo(&retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 2);
  EXPECT_EQ(retry.retry_delay().nanos(), 345'000'000);
}

TEST(StatusTest, AnOutageOfTheStoreIsUnavailable) {
  const grpc::Status status = ToGrpcStatus(StoreFailed(absl::UnavailableError("disk full")));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("STORE_UNAVAILABLE"));
}

TEST(StatusTest, WhatWentWrongInsideStaysInside) {
  for (const absl::Status& inside :
       {absl::InternalError("select * from secrets"), absl::UnauthenticatedError("secrets"),
        StoreFailed(absl::DataLossError("secrets"))}) {
    const grpc::Status status = ToGrpcStatus(inside);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_THAT(status.error_message(), Not(HasSubstr("secrets")));
    EXPECT_THAT(status.error_details(), Not(HasSubstr("secrets")));
    EXPECT_TRUE(IsHidden(inside));
  }
}

TEST(StatusTest, OkIsOk) { EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok()); }

}  // namespace
}  // namespace watchword
