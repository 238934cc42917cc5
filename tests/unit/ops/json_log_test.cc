#include "server/ops/json_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "watchword/base/testing/fake_clock.h"

namespace watchword {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::Ge;
using testing::SizeIs;

// A pipe whose write end the logger gets.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe2(ends_, O_CLOEXEC), 0); }
  ~Pipe() {
    CloseReader();
    CloseWriter();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int reader() const { return ends_[0]; }
  int writer() const { return ends_[1]; }

  // All that was written; closes the write end.
  std::string ReadAll() {
    CloseWriter();
    std::string all;
    char buffer[4096];
    for (ssize_t got; (got = read(ends_[0], buffer, sizeof(buffer))) > 0;) all.append(buffer, static_cast<size_t>(got));
    return all;
  }

  // Makes it full, so that a plain write would block.
  void Fill() {
    fcntl(ends_[1], F_SETFL, O_NONBLOCK);
    const std::string filling(4096, '.');
    while (write(ends_[1], filling.data(), filling.size()) > 0) {
    }
    fcntl(ends_[1], F_SETFL, 0);
  }

  void CloseReader() { Close(ends_[0]); }
  void CloseWriter() { Close(ends_[1]); }

 private:
  static void Close(int& end) {
    if (end >= 0) close(end);
    end = -1;
  }

  int ends_[2] = {-1, -1};
};

class JsonLogTest : public testing::Test {
 protected:
  std::unique_ptr<JsonLogger> MakeLogger(Severity minimum = Severity::kDebug, size_t queue_capacity = 4096) {
    return std::make_unique<JsonLogger>(
        JsonLogger::Options{.minimum = minimum, .descriptor = pipe_.writer(), .queue_capacity = queue_capacity},
        clock_);
  }

  // What `logger` wrote, line by line; ends it.
  std::vector<std::string> LinesOf(std::unique_ptr<JsonLogger> logger) {
    logger.reset();
    std::vector<std::string> lines = absl::StrSplit(pipe_.ReadAll(), '\n');
    EXPECT_EQ(lines.back(), "");
    lines.pop_back();
    return lines;
  }

  FakeClock clock_{absl::FromUnixMillis(1'800'000'000'007)};
  Pipe pipe_;
};

TEST_F(JsonLogTest, LineHasTimeSeverityMessageThenTheFields) {
  auto logger = MakeLogger();
  logger->Info("listening", {{"address", "127.0.0.1:7070"}, {"tls", "off"}});
  EXPECT_THAT(LinesOf(std::move(logger)),
              ElementsAre(R"({"time":"2027-01-15T08:00:00.007Z","severity":"info","message":"listening",)"
                          R"("address":"127.0.0.1:7070","tls":"off"})"));
}

TEST_F(JsonLogTest, LessSevereThanTheMinimumIsNotWritten) {
  auto logger = MakeLogger(Severity::kWarning);
  logger->Debug("debug");
  logger->Info("info");
  logger->Warning("warning");
  logger->Error("error");
  const auto lines = LinesOf(std::move(logger));
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_EQ(json::parse(lines[0])["severity"], "warning");
  EXPECT_EQ(json::parse(lines[1])["severity"], "error");
}

TEST_F(JsonLogTest, HostileTextStaysOneLineOfAscii) {
  const std::string hostile("a\"b\\c\r\n\0\x1b[2J\xc2\x9b\xe2\x80\xae\xff\xc3", 20);
  auto logger = MakeLogger();
  logger->Info("refused", {{"value", hostile}});
  const auto lines = LinesOf(std::move(logger));
  ASSERT_THAT(lines, SizeIs(1));
  for (const char c : lines[0]) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << lines[0];
  const json line = json::parse(lines[0]);
  EXPECT_EQ(line["value"], std::string("a\"b\\c\r\n\0\x1b[2J\xc2\x9b\xe2\x80\xae\xef\xbf\xbd\xef\xbf\xbd", 24));
}

TEST_F(JsonLogTest, FieldsCannotReplaceTheFixedOnes) {
  auto logger = MakeLogger();
  logger->Info("true message", {{"message", "false"}, {"severity", "false"}, {"time", "false"}});
  const auto lines = LinesOf(std::move(logger));
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], testing::Not(testing::HasSubstr("false")));
  EXPECT_EQ(json::parse(lines[0])["message"], "true message");
}

TEST_F(JsonLogTest, LongLineArrivesWhole) {
  auto logger = MakeLogger();
  const std::string value(20'000, 'x');
  logger->Info("long", {{"value", value}});
  const auto lines = LinesOf(std::move(logger));
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(json::parse(lines[0])["value"], value);
}

TEST_F(JsonLogTest, BlockedReaderDoesNotBlockTheWriterAndDropsAreCounted) {
  pipe_.Fill();
  auto logger = MakeLogger(Severity::kDebug, /*queue_capacity=*/8);
  for (int i = 0; i < 1000; ++i) logger->Info("line", {{"number", absl::StrCat(i)}});
  // 8 wait in the queue and one is with the thread that writes; the others are gone.
  EXPECT_THAT(logger->dropped(), Ge(1000u - 9u));
  logger.reset();  // ends although nobody ever reads
}

TEST_F(JsonLogTest, NewestLinesSurviveAnOverrun) {
  pipe_.Fill();
  auto logger = MakeLogger(Severity::kDebug, /*queue_capacity=*/4);
  for (int i = 0; i < 100; ++i) logger->Info("line", {{"number", absl::StrCat(i)}});
  const uint64_t dropped = logger->dropped();
  std::string all;
  {
    // The reader wakes up; the logger writes what is left in its queue before it ends.
    std::thread ending([&logger] { logger.reset(); });
    char buffer[4096];
    while (all.find("\"99\"") == std::string::npos) {
      const ssize_t got = read(pipe_.reader(), buffer, sizeof(buffer));
      ASSERT_GT(got, 0);
      all.append(buffer, static_cast<size_t>(got));
    }
    ending.join();
  }
  EXPECT_GE(dropped, 95u);
  EXPECT_NE(all.find("\"98\""), std::string::npos);
  EXPECT_EQ(all.find("\"50\""), std::string::npos);
}

TEST_F(JsonLogTest, ReaderThatIsGoneIsCountedAndKillsNobody) {
  pipe_.CloseReader();
  auto logger = MakeLogger();
  logger->Info("nobody hears this");
  while (logger->dropped() == 0) std::this_thread::yield();
  EXPECT_EQ(logger->dropped(), 1u);
}

}  // namespace
}  // namespace watchword
