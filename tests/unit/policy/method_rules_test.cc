#include "watchword/policy/method_rules.h"

#include <string>

#include "gmock/gmock.h"
#include "orders.pb.h"
#include "watchword/v1/admin.pb.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class MethodRulesTest : public testing::Test {
 protected:
  // Makes sure that the linker keeps the generated descriptors.
  MethodRulesTest() {
    EXPECT_NE(orders::v1::ListOrdersRequest::descriptor(), nullptr);
    EXPECT_NE(v1::ListUsersRequest::descriptor(), nullptr);
  }
  const MethodRules rules_ = MethodRules::FromLinkedServices();
};

TEST_F(MethodRulesTest, OptionOfAMethodIsItsRule) {
  const MethodRule& cancel = rules_.Find("/orders.v1.OrdersService/CancelOrder");
  EXPECT_FALSE(cancel.allow_anonymous);
  EXPECT_THAT(cancel.require_scopes, ElementsAre("orders.write"));
  EXPECT_TRUE(rules_.Find("/orders.v1.OrdersService/GetStatus").allow_anonymous);
  EXPECT_THAT(rules_.Find("/watchword.v1.AdminService/ListUsers").require_scopes, ElementsAre("watchword.admin"));
}

TEST_F(MethodRulesTest, MethodWithoutARuleNeedsACredentialAndNothingMore) {
  const MethodRule& list = rules_.Find("/orders.v1.OrdersService/ListOrders");
  EXPECT_FALSE(list.allow_anonymous);
  EXPECT_THAT(list.require_scopes, IsEmpty());
}

TEST_F(MethodRulesTest, UnknownPathNeedsACredential) {
  for (const char* path :
       {"", "/", "GetStatus", "/orders.v1.OrdersService", "/orders.v1.OrdersService/",
        "/orders.v1.OrdersService/Unknown", "orders.v1.OrdersService/GetStatus", "/orders.v1.OrdersService/GetStatus/",
        "/orders.v1.OrdersService/getStatus", "//orders.v1.OrdersService/GetStatus", "/grpc.health.v1.Health/Other"}) {
    EXPECT_FALSE(rules_.Find(path).allow_anonymous) << path;
  }
}

TEST_F(MethodRulesTest, HealthAndReflectionAreAnonymousEvenIfTheirDescriptorsAreNotLinked) {
  for (const char* path : {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
                           "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                           "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"}) {
    EXPECT_TRUE(rules_.Find(path).allow_anonymous) << path;
  }
}

}  // namespace
}  // namespace watchword
