#include "watchword/client/service_config.h"

#include <memory>

#include <grpcpp/create_channel.h>

#include "fake_server.h"
#include "testing/status_matchers.h"
#include "watchword/client/channel.h"
#include "watchword/client/session_client.h"

namespace watchword {
namespace {

constexpr int kPatience = 5'000;  // calls; a few hundred are enough
constexpr int kSeveral = 20;      // calls in a row that show where they go

// A client of two servers behind one name.
class ServiceConfigTest : public testing::Test {
 protected:
  ServiceConfigTest() {
    const auto validate = [](const v1::ValidateRequest&, v1::ValidateResponse& response) {
      response.set_active(true);
      return grpc::Status::OK;
    };
    first_.validate = second_.validate = validate;
    grpc::ChannelArguments arguments;
    arguments.SetServiceConfigJSON(kServiceConfig);
    client_ = std::make_unique<SessionClient>(
        grpc::CreateCustomChannel(absl::StrCat("ipv4:", first_.address(), ",", second_.address()),
                                  grpc::InsecureChannelCredentials(), arguments),
        absl::Seconds(30));
  }

  // Calls, all of which must succeed, until `done`.
  template <typename Done>
  void CallUntil(Done done) {
    for (int i = 0; i < kPatience; ++i) {
      if (done()) return;
      ASSERT_THAT(client_->Validate("c"), IsOk());
    }
    FAIL() << "calls do not go where they should";
  }

  // Until several calls in a row have not reached the first server.
  void CallUntilFirstIsAvoided() {
    int seen = -1, avoided = 0;
    CallUntil([&] {
      const int count = first_.CountOf("Validate");
      avoided = count == seen ? avoided + 1 : 0;
      seen = count;
      return avoided >= kSeveral;
    });
  }

  FakeServer first_, second_;
  std::unique_ptr<SessionClient> client_;
};

TEST_F(ServiceConfigTest, CallsGoToEveryServerOfAName) {
  CallUntil([&] { return first_.CountOf("Validate") >= kSeveral && second_.CountOf("Validate") >= kSeveral; });
}

TEST_F(ServiceConfigTest, ServerThatIsAboutToStopIsAvoidedWithoutAFailedCall) {
  CallUntil([&] { return first_.CountOf("Validate") > 0 && second_.CountOf("Validate") > 0; });
  first_.health().SetServingStatus("", false);
  CallUntilFirstIsAvoided();
  first_.Stop();
  CallUntilFirstIsAvoided();
}

TEST_F(ServiceConfigTest, ServerThatServesAgainIsUsedAgain) {
  first_.health().SetServingStatus("", false);
  CallUntilFirstIsAvoided();
  const int before = first_.CountOf("Validate");
  first_.health().SetServingStatus("", true);
  CallUntil([&] { return first_.CountOf("Validate") > before; });
}

TEST(ServiceConfigOfChannelsTest, IsTheOneThatIsShipped) {
  FakeServer server;
  const auto channel = MakeChannel({.address = server.address()});
  ASSERT_THAT(channel, IsOk());
  EXPECT_THAT(SessionClient(*channel, absl::Seconds(30)).Refresh("r"), HasCode(absl::StatusCode::kUnimplemented));
  EXPECT_EQ((*channel)->GetServiceConfigJSON(), kServiceConfig);
}

}  // namespace
}  // namespace watchword
