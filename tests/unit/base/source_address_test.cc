#include "watchword/base/source_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <string>

#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace watchword {
namespace {

TEST(SourceAddressTest, AnAddressHasOneFormHoweverItIsWritten) {
  EXPECT_EQ(*SourceOfAddress("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(*SourceOfAddress("::ffff:192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(*SourceOfAddress("2001:DB8:0:0:1:2:3:4"), "2001:db8::/64");
  EXPECT_EQ(*SourceOfAddress("2001:db8::ffff"), "2001:db8::/64") << "a host has all of a /64";
  EXPECT_EQ(*SourceOfAddress("2001:db8:0:1::1"), "2001:db8:0:1::/64");
}

TEST(SourceAddressTest, WhatIsNoAddressIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("localhost"), std::string("192.0.2"), std::string("192.0.2.7:80"),
        std::string("192.0.2.007 "), std::string("[::1]"), std::string("::1\0", 4), std::string("192.0.2.7\0x", 11),
        std::string(1 << 16, '1')}) {
    EXPECT_THAT(SourceOfAddress(text), HasCode(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(SourceAddressTest, APeerCountsByItsAddressAndNotByItsPort) {
  EXPECT_EQ(SourceOfPeer("ipv4:192.0.2.7:4711"), "192.0.2.7");
  EXPECT_EQ(SourceOfPeer("ipv6:%5B2001:db8::1%5D:4711"), "2001:db8::/64");
  EXPECT_EQ(SourceOfPeer("ipv6:[2001:db8::1]:4711"), "2001:db8::/64");
  EXPECT_EQ(SourceOfPeer("ipv6:%5Bfe80::1%25eth0%5D:4711"), "fe80::/64");
  EXPECT_EQ(SourceOfPeer("ipv6:%5B::ffff:192.0.2.7%5D:4711"), "192.0.2.7");
  EXPECT_EQ(SourceOfPeer("unix:/run/watchword.sock"), "unix");
  EXPECT_EQ(SourceOfPeer("unix:"), "unix");
  EXPECT_EQ(SourceOfPeer(""), "unknown");
  EXPECT_EQ(SourceOfPeer("something:else"), "unknown");
}

TEST(SourceAddressTest, SourceOfTheOtherEndOfASocket) {
  sockaddr_storage address{};
  EXPECT_EQ(SourceOfSocketAddress(address), "unknown");
  address.ss_family = AF_UNIX;
  EXPECT_EQ(SourceOfSocketAddress(address), "unix");
  address.ss_family = AF_INET;
  inet_pton(AF_INET, "192.0.2.7", &reinterpret_cast<sockaddr_in&>(address).sin_addr);
  EXPECT_EQ(SourceOfSocketAddress(address), "192.0.2.7");
  address.ss_family = AF_INET6;
  inet_pton(AF_INET6, "2001:db8::1", &reinterpret_cast<sockaddr_in6&>(address).sin6_addr);
  EXPECT_EQ(SourceOfSocketAddress(address), "2001:db8::/64");
  inet_pton(AF_INET6, "::ffff:192.0.2.7", &reinterpret_cast<sockaddr_in6&>(address).sin6_addr);
  EXPECT_EQ(SourceOfSocketAddress(address), "192.0.2.7") << "of a port that takes both";
}

}  // namespace
}  // namespace watchword
