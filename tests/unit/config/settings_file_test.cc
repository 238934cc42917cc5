#include "server/config/settings_file.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

TEST(SettingsFileTest, ReadsEveryKindOfValue) {
  const auto settings = ParseSettingsFile(
      "# Watchword\n"
      "\n"
      "text = \"a # is no comment, nor \\\"this\\\" \\\\ a, b\"   # but this is\r\n"
      "\tliteral='C:\\dir' \n"
      "number = 15\n"
      "yes = true\n"
      "list = [\"a\", 'b, c',]\n"
      "none = []\n"
      "x = \"1\"");
  ASSERT_THAT(settings, IsOk());
  EXPECT_THAT(*settings, ElementsAre(Pair("list", ElementsAre("a", "b, c")), Pair("literal", ElementsAre("C:\\dir")),
                                     Pair("none", IsEmpty()), Pair("number", ElementsAre("15")),
                                     Pair("text", ElementsAre("a # is no comment, nor \"this\" \\ a, b")),
                                     Pair("x", ElementsAre("1")), Pair("yes", ElementsAre("true"))));
}

TEST(SettingsFileTest, WhatItDoesNotUnderstandIsAnErrorThatNamesTheLine) {
  for (const std::string line : {"x",
                                 "[section]",
                                 "= 1",
                                 "x =",
                                 "x = #",
                                 "x = 5m",
                                 "x = yes",
                                 "x = -1",
                                 "x = \"open",
                                 "x = \"a\\n\"",
                                 "x = \"\\",
                                 "x = [\"a\"",
                                 "x = [\"a\" \"b\"]",
                                 "x = [1]",
                                 "x = [,]",
                                 "x = [",
                                 "x = 1 2",
                                 "x = \"a\" b",
                                 "x y = 1",
                                 "x.y = 1",
                                 "\"x\" = 1"}) {
    const auto settings = ParseSettingsFile(absl::StrCat("first = 1\n", line, "\n"));
    EXPECT_THAT(settings, HasCode(absl::StatusCode::kInvalidArgument)) << line;
    EXPECT_THAT(std::string(settings.status().message()), StartsWith("line 2: ")) << line;
  }
}

TEST(SettingsFileTest, NameGivenTwiceIsRefused) {
  EXPECT_EQ(ParseSettingsFile("a = 1\nb = 1\na = 1\n").status().message(), "line 3: a is given twice");
}

TEST(SettingsFileTest, QuotedTextReadsBack) {
  for (const std::string text : {"", "plain", "a \"b\" \\ 'c' # [d], \xc3\xa9"}) {
    const auto settings = ParseSettingsFile(absl::StrCat("x = ", QuoteSetting(text)));
    ASSERT_THAT(settings, IsOk());
    EXPECT_THAT(*settings, ElementsAre(Pair("x", ElementsAre(text))));
  }
}

}  // namespace
}  // namespace watchword
