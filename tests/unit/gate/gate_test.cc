#include "watchword/gate/gate.h"

#include <string>

#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "testing/status_matchers.h"
#include "watchword/base/testing/fake_clock.h"

namespace watchword {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

class GateOptionsTest : public testing::Test {
 protected:
  static Gate::Options Good() {
    // Nobody listens there; the gate only tries to connect.
    return {.issuer = "https://issuer.test",
            .audiences = {"orders"},
            .auth_service = grpc::CreateChannel("unix:/nonexistent/socket", grpc::InsecureChannelCredentials())};
  }
  static void ExpectRefused(Gate::Options options, const std::string& option) {
    const auto gate = Gate::Create(std::move(options));
    ASSERT_THAT(gate, HasCode(StatusCode::kInvalidArgument)) << option;
    EXPECT_THAT(gate.status().message(), HasSubstr(option));
  }
};

TEST_F(GateOptionsTest, MissingOrWrongOptionStopsTheStartAndIsNamed) {
  Gate::Options options = Good();
  options.issuer = "";
  ExpectRefused(options, "issuer");
  options = Good();
  options.audiences = {};
  ExpectRefused(options, "audience");
  options = Good();
  options.auth_service = nullptr;
  ExpectRefused(options, "auth_service");
  options = Good();
  options.leeway = absl::Seconds(121);
  ExpectRefused(options, "leeway");
  options = Good();
  options.connections.in_all = 0;
  ExpectRefused(options, "connections");
  options = Good();
  options.connections.from_one_address = 0;
  ExpectRefused(options, "connections");
  for (const std::string& name : {std::string("a b"), std::string("a\n"), std::string(256, 'x')}) {
    options = Good();
    options.name = name;
    ExpectRefused(options, "name");
  }
  options = Good();
  options.name = std::string(255, 'x');
  EXPECT_THAT(Gate::Create(options), IsOk());
}

TEST_F(GateOptionsTest, GateStartsAtOnceButIsNotReadyWithoutTheAuthService) {
  const auto gate = Gate::Create(Good());
  ASSERT_THAT(gate, IsOk());
  EXPECT_FALSE((*gate)->WaitUntilReady(absl::ZeroDuration()));
}

TEST_F(GateOptionsTest, GateOnFilledTrustStateIsReadyWhenThatHasKeys) {
  const FakeClock clock;
  TrustState trust(clock);
  const auto gate = Gate::CreateOn(trust, {.issuer = "https://issuer.test", .audiences = {"orders"}});
  ASSERT_THAT(gate, IsOk());
  EXPECT_FALSE((*gate)->WaitUntilReady(absl::ZeroDuration()));
  trust.SetKeys(KeySet());
  EXPECT_TRUE((*gate)->WaitUntilReady(absl::ZeroDuration()));
}

}  // namespace
}  // namespace watchword
