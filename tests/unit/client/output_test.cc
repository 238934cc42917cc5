#include "client/command/output.h"

#include <sstream>

#include "gmock/gmock.h"

namespace watchword {
namespace {

using Json = nlohmann::ordered_json;

std::string Text(const Json& result) {
  std::ostringstream out;
  PrintResult(result, OutputFormat::kText, out);
  return out.str();
}

TEST(PrintResultTest, ObjectIsALineForEachMember) {
  EXPECT_EQ(Text({{"session_id", "s"}, {"disabled", false}, {"scopes", {"a", "b"}}, {"none", Json::array()}}),
            "session id  s\n"
            "disabled    no\n"
            "scopes      a b\n"
            "none\n");
}

TEST(PrintResultTest, ArrayIsATableAlignedByCharactersNotBytes) {
  EXPECT_EQ(Text({{{"name", "ré"}, {"is_on", true}}, {{"name", "bob"}, {"is_on", false}}}),
            "NAME  IS ON\n"
            "ré    yes\n"
            "bob   no\n");
  EXPECT_EQ(Text(Json::array()), "");
}

TEST(PrintResultTest, NothingInATableSteersTheTerminal) {
  EXPECT_EQ(Text({{"name", "a\x1b[31m\nb\x7f"}}), "name  a [31m b\n");
}

TEST(PrintResultTest, JsonIsOneDocumentWhateverTheBytes) {
  std::ostringstream out;
  PrintResult({{"name", "a\xff"}}, OutputFormat::kJson, out);
  EXPECT_EQ(Json::parse(out.str())["name"], "a\xef\xbf\xbd");
}

TEST(TimeTextTest, IsRfc3339InUtc) {
  google::protobuf::Timestamp time;
  EXPECT_EQ(TimeText(time), "");
  time.set_seconds(1'800'000'000);
  time.set_nanos(999'999'999);
  EXPECT_EQ(TimeText(time), "2027-01-15T08:00:00Z");
}

TEST(IsUtf8Test, AcceptsExactlyWhatRfc3629Does) {
  for (const char* good : {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xc3\xa9z"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc1\xbf", "\xc3", "\xc3z", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xbf"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace watchword
