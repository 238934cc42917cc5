#include "watchword/base/log.h"

#include <string>

#include "gtest/gtest.h"

namespace watchword {
namespace {

TEST(StderrLoggerTest, WritesWarningsAndErrorsOnly) {
  testing::internal::CaptureStderr();
  StderrLogger().Debug("one");
  StderrLogger().Info("two");
  StderrLogger().Warning("three", {{"name", "value"}});
  StderrLogger().Error("four");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "watchword: warning: three name=value\nwatchword: error: four\n");
}

TEST(StderrLoggerTest, ValueCannotForgeALine) {
  testing::internal::CaptureStderr();
  StderrLogger().Error("refused", {{"name", std::string("a\r\nwatchword: error: forged\x1b[2J\0", 32)}});
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(written.find('\n'), written.size() - 1);
  for (const char c : written.substr(0, written.size() - 1)) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << written;
}

TEST(SeverityNameTest, EachHasItsName) {
  EXPECT_EQ(SeverityName(Severity::kDebug), "debug");
  EXPECT_EQ(SeverityName(Severity::kInfo), "info");
  EXPECT_EQ(SeverityName(Severity::kWarning), "warning");
  EXPECT_EQ(SeverityName(Severity::kError), "error");
}

}  // namespace
}  // namespace watchword
