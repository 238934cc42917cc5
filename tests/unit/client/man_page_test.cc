#include "client/command/man_page.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace watchword {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ManPageTest, NothingInATextIsTakenForARequestOrAnEscape) {
  const std::vector<CommandInfo> commands = {
      {.path = "", .description = "Does things", .options = {{.name = "--a-b", .description = ".so\n/etc/passwd"}}},
      {.path = "go", .description = "'twas \\fBbold"}};
  const std::string page = ManPage("program", "1.0-x", commands, "Exit codes");
  EXPECT_THAT(page, HasSubstr("\n\\&.so /etc/passwd.\n"));
  EXPECT_THAT(page, HasSubstr("\n\\&'twas \\efBbold.\n"));
  EXPECT_THAT(page, HasSubstr("\\fB\\-\\-a\\-b\\fR"));
  EXPECT_THAT(page, HasSubstr("program 1.0\\-x"));
}

TEST(ManPageTest, SaysWhatMustBeGivenAndWhatMayBe) {
  const std::vector<CommandInfo> commands = {
      {.path = "", .options = {{.name = "--address", .value = "TEXT", .variable = "PROGRAM_ADDRESS"}}},
      {.path = "group", .subcommands = {"one"}},
      {.path = "group one",
       .options = {{.name = "--out", .value = "FILE", .description = "Where to", .required = true},
                   {.name = "--quiet"}},
       .arguments = {{.name = "NAME", .required = true}, {.name = "SHELL", .value = "bash|zsh"}}}};
  const std::string page = ManPage("program", "1", commands, "");
  EXPECT_THAT(page, HasSubstr(".SS \\fBprogram group one\\fR [\\fIoptions\\fR] \\fINAME\\fR [\\fISHELL\\fR]\n"));
  EXPECT_THAT(page, Not(HasSubstr(".SS \\fBprogram group\\fR")));
  EXPECT_THAT(page, HasSubstr("One of bash, zsh.\n"));
  EXPECT_THAT(page, HasSubstr("\\fB\\-\\-out\\fR \\fIFILE\\fR\nWhere to.\nRequired.\n"));
  EXPECT_THAT(page, HasSubstr("\\fBPROGRAM_ADDRESS\\fR\nAs \\fB\\-\\-address\\fR, which wins over it.\n"));
}

}  // namespace
}  // namespace watchword
