#include "server/config/mysql_url.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace watchword {
namespace {

using testing::HasSubstr;

TEST(MysqlUrl, NamesUserHostsAndDatabase) {
  const auto options = ParseMysqlUrl("mysql://app@db1,db2:3307,[::1]:3308,[fe80::1]/watchword");
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->user, "app");
  EXPECT_EQ(options->database, "watchword");
  ASSERT_EQ(options->hosts.size(), 4u);
  EXPECT_EQ(options->hosts[0].name, "db1");
  EXPECT_EQ(options->hosts[0].port, 3306);
  EXPECT_EQ(options->hosts[1].name, "db2");
  EXPECT_EQ(options->hosts[1].port, 3307);
  EXPECT_EQ(options->hosts[2].name, "::1");
  EXPECT_EQ(options->hosts[2].port, 3308);
  EXPECT_EQ(options->hosts[3].name, "fe80::1");
  EXPECT_EQ(options->hosts[3].port, 3306);
  EXPECT_TRUE(options->socket.empty());
}

TEST(MysqlUrl, NamesASocket) {
  const auto options = ParseMysqlUrl("mysql://app@localhost/watchword?socket=/run/mysqld/mysqld.sock");
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->socket, "/run/mysqld/mysqld.sock");
  EXPECT_TRUE(options->hosts.empty());
}

TEST(MysqlUrl, PasswordDoesNotBelongIntoIt) {
  EXPECT_THAT(ParseMysqlUrl("mysql://app:secret@db/watchword").status().message(), HasSubstr("--store-password-file"));
}

TEST(MysqlUrl, AnythingElseIsRefused) {
  for (const char* url :
       {"mysql://", "mysql://db/watchword", "mysql://app@db", "mysql://app@db/", "mysql://@db/x", "mysql://app@/x",
        "mysql://app@db:0/x", "mysql://app@db:65536/x", "mysql://app@db:x/x", "mysql://app@a,,b/x",
        "mysql://app@db/x/y", "mysql://app@db/x?ssl=off", "mysql://a b@db/x", "mysql://app@db/x?socket=relative",
        "mysql://app@db/x?socket=/a", "mysql://app@db/x`y", "mysqlx://app@db/x"}) {
    EXPECT_THAT(ParseMysqlUrl(url), HasCode(absl::StatusCode::kInvalidArgument)) << url;
  }
  std::string many = "mysql://app@h";
  for (int i = 0; i < 16; ++i) many += ",h";
  EXPECT_THAT(ParseMysqlUrl(many + "/x"), HasCode(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace watchword
