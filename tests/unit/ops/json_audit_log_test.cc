#include "server/ops/json_audit_log.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"
#include "watchword/base/testing/fake_clock.h"

namespace watchword {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::SizeIs;

class JsonAuditLogTest : public testing::Test {
 protected:
  std::unique_ptr<JsonAuditLog> Open() {
    auto log = JsonAuditLog::Open({.file = path_}, clock_);
    EXPECT_THAT(log, IsOk());
    return *std::move(log);
  }
  // What `log` wrote, line by line; ends it.
  std::vector<std::string> LinesOf(std::unique_ptr<JsonAuditLog> log) {
    log.reset();
    std::ifstream file(path_);
    std::vector<std::string> lines =
        absl::StrSplit(std::string(std::istreambuf_iterator<char>(file), {}), '\n', absl::SkipEmpty());
    return lines;
  }

  TemporaryFolder folder_;
  FakeClock clock_{absl::FromUnixMillis(1'800'000'000'007)};
  const std::string path_ = folder_.path() + "/audit.log";
};

TEST_F(JsonAuditLogTest, LineHasEveryFieldThatIsKnownInAFixedOrder) {
  auto log = Open();
  log->Record({.type = kAuditUserDisabled,
               .actor = "s1",
               .actor_session = "i1",
               .target = {.subject = "s2", .username = "bob", .session = "i2", .detail = "d"},
               .origin = {.peer = "ipv4:127.0.0.1:1", .method = "/a.B/C", .trace_id = "t", .request_id = "r"},
               .reason = "NO",
               .cause = "why"});
  log->Record({.type = kAuditLogin});
  EXPECT_EQ(log->recorded(), 2u);
  const auto lines = LinesOf(std::move(log));
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_EQ(
      lines[0],
      R"({"time":"2027-01-15T08:00:00.007Z","log":"audit","event":"user_disabled","result":"failure",)"
      R"("reason":"NO","cause":"why","actor":"s1","actor_session":"i1","subject":"s2","username":"bob",)"
      R"("session":"i2","detail":"d","peer":"ipv4:127.0.0.1:1","method":"/a.B/C","trace_id":"t","request_id":"r"})");
  EXPECT_EQ(lines[1], R"({"time":"2027-01-15T08:00:00.007Z","log":"audit","event":"login","result":"success"})");
}

TEST_F(JsonAuditLogTest, TextOfOthersIsEscapedAndCut) {
  auto log = Open();
  log->Record({.type = kAuditLogin,
               .target = {.username = "a\"}\n{\"log\":\"audit\" \u202e \xff", .detail = std::string(10'000, 'x')}});
  const auto lines = LinesOf(std::move(log));
  ASSERT_THAT(lines, SizeIs(1));
  for (const char c : lines[0]) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
  EXPECT_EQ(json::parse(lines[0])["detail"], std::string(JsonAuditLog::kMaxText, 'x'));
}

TEST_F(JsonAuditLogTest, FileIsPrivateAndAppendedTo) {
  std::ofstream(path_) << "before\n";
  std::filesystem::remove(path_);
  Open()->Record({.type = kAuditLogin});
  auto again = Open();
  again->Record({.type = kAuditLogout});
  EXPECT_THAT(LinesOf(std::move(again)), SizeIs(2));
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(JsonAuditLogTest, FileThatIsMovedAwayIsFollowedByANewOne) {
  {
    auto log = Open();
    log->Record({.type = kAuditLogin});
  }
  auto log = Open();
  std::filesystem::rename(path_, path_ + ".1");
  log->Record({.type = kAuditLogout});
  const auto lines = LinesOf(std::move(log));
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], HasSubstr("logout"));
}

TEST_F(JsonAuditLogTest, WhatCannotBeWrittenIsCounted) {
  auto log = JsonAuditLog::Open({.file = "/dev/full"}, clock_);
  ASSERT_THAT(log, IsOk());
  for (int i = 0; i < 3; ++i) (*log)->Record({.type = kAuditLogin});
  while ((*log)->lost() < 3) std::this_thread::yield();
  EXPECT_EQ((*log)->recorded(), 3u);
}

TEST_F(JsonAuditLogTest, FileThatCannotBeOpenedIsNamed) {
  const auto log = JsonAuditLog::Open({.file = "/nonexistent/audit.log"}, clock_);
  EXPECT_EQ(log.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(log.status().message()), HasSubstr("/nonexistent/audit.log"));
}

}  // namespace
}  // namespace watchword
