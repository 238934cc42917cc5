#include "watchword/gate/listening_sockets.h"

#include <sys/socket.h>

#include "gmock/gmock.h"
#include "testing/status_matchers.h"
#include "testing/without_ip_v6.h"

namespace watchword {
namespace {

using testing::SizeIs;

int FamilyOf(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  EXPECT_EQ(getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return address.ss_family;
}

TEST(ListeningSocketsTest, AnyAddressIsThatOfIpV4WhereThereIsNoIpV6) {
  WithoutIpV6([] {
    ListeningSockets sockets;
    ASSERT_THAT(sockets.Open("[::]:0"), IsOk());
    ASSERT_THAT(sockets.descriptors(), SizeIs(1));
    EXPECT_EQ(FamilyOf(sockets.descriptors().front()), AF_INET);
  });
}

TEST(ListeningSocketsTest, AnAddressThatIsOfIpV6OnlyIsNoneWhereThereIsNoIpV6) {
  WithoutIpV6([] {
    ListeningSockets sockets;
    EXPECT_FALSE(sockets.Open("[::1]:0").ok());
    EXPECT_THAT(sockets.descriptors(), SizeIs(0));
  });
}

}  // namespace
}  // namespace watchword
