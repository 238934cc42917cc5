#include "watchword/client/call.h"

#include "fake_server.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "testing/status_matchers.h"
#include "watchword/client/channel.h"
#include "watchword/client/session_client.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

grpc::Status WithReason(grpc::StatusCode code, const std::string& message, const std::string& reason) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  return grpc::Status(code, message, details.SerializeAsString());
}

TEST(FromGrpcStatusTest, OkIsOk) { EXPECT_THAT(FromGrpcStatus(grpc::Status::OK), IsOk()); }

TEST(FromGrpcStatusTest, CodeAndMessageAreKept) {
  const auto status = FromGrpcStatus(grpc::Status(grpc::StatusCode::NOT_FOUND, "no such thing"));
  EXPECT_THAT(status, HasCode(absl::StatusCode::kNotFound));
  EXPECT_EQ(status.message(), "no such thing");
  EXPECT_THAT(status, HasReason(""));
  EXPECT_TRUE(IsCallError(status));
  EXPECT_FALSE(IsCallError(absl::NotFoundError("local")));
}

TEST(FromGrpcStatusTest, ReasonComesFromTheDetailsOrTheStartOfTheMessage) {
  const auto detailed =
      FromGrpcStatus(WithReason(grpc::StatusCode::RESOURCE_EXHAUSTED, "OVERLOADED: busy", "OVERLOADED"));
  EXPECT_THAT(detailed, HasReason("OVERLOADED"));
  EXPECT_EQ(detailed.message(), "OVERLOADED: busy");
  const auto plain = FromGrpcStatus(grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "TOKEN_EXPIRED: an hour ago"));
  EXPECT_THAT(plain, HasReason("TOKEN_EXPIRED"));
  EXPECT_EQ(plain.message(), "TOKEN_EXPIRED: an hour ago");
}

TEST(FromGrpcStatusTest, MessagesOfGrpcItselfHaveNoReason) {
  for (const char* message : {"UNKNOWN: x", "failed to connect", "Some_thing: x", "", ": x"}) {
    EXPECT_THAT(FromGrpcStatus(grpc::Status(grpc::StatusCode::UNAVAILABLE, message)), HasReason("")) << message;
  }
}

TEST(FromGrpcStatusTest, GarbledDetailsAreIgnored) {
  EXPECT_THAT(FromGrpcStatus(grpc::Status(grpc::StatusCode::INTERNAL, "x", "\xff\xff")), HasReason(""));
}

TEST(CallTest, CredentialIsSentOnceAndOnlyIfGiven) {
  FakeServer server;
  server.validate = [](const auto&, auto&) { return grpc::Status::OK; };
  SessionClient client(*MakeChannel({.address = server.address()}), absl::Seconds(10));
  EXPECT_THAT(client.Validate("abc.d-_~+/="), IsOk());
  EXPECT_THAT(client.Refresh("r"), HasCode(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(server.calls()[0].authorization, ElementsAre("Bearer abc.d-_~+/="));
  EXPECT_THAT(server.calls()[1].authorization, IsEmpty());
}

TEST(CallTest, CredentialThatNoHeaderCanCarryIsNotSent) {
  FakeServer server;
  SessionClient client(*MakeChannel({.address = server.address()}), absl::Seconds(10));
  for (const char* bad : {"a b", "a\r\nx: y", "a\n", "\xc3\xa9", "\x7f"}) {
    EXPECT_THAT(client.Validate(bad), HasCode(absl::StatusCode::kInvalidArgument)) << bad;
  }
  EXPECT_THAT(server.calls(), IsEmpty());
}

}  // namespace
}  // namespace watchword
