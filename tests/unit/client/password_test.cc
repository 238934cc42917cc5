#include "client/command/password.h"

#include <sstream>

#include "scripted_prompt.h"
#include "testing/status_matchers.h"

namespace watchword {
namespace {

absl::StatusOr<Secret> FromStream(const std::string& text) {
  std::istringstream in(text);
  return ReadPassword(in);
}

TEST(ReadPasswordTest, ExactlyOneNewlineIsStripped) {
  EXPECT_EQ(FromStream("secret")->Reveal(), "secret");
  EXPECT_EQ(FromStream("secret\n")->Reveal(), "secret");
  EXPECT_EQ(FromStream("secret\n\n")->Reveal(), "secret\n");
  EXPECT_EQ(FromStream(" secret \r\n")->Reveal(), " secret \r");
  EXPECT_EQ(FromStream(std::string("a\0b\n", 4))->Reveal(), absl::string_view("a\0b", 3));
}

TEST(ReadPasswordTest, SizeIsBounded) {
  const std::string longest(1024, 'x');
  EXPECT_EQ(FromStream(longest)->Reveal(), longest);
  EXPECT_EQ(FromStream(longest + "\n")->Reveal(), longest);
  EXPECT_THAT(FromStream(longest + "x"), HasCode(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(FromStream(longest + "x\n"), HasCode(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(FromStream(longest + "\nmore"), HasCode(absl::StatusCode::kInvalidArgument));
}

TEST(ReadPasswordTest, WhatCannotBeSentIsRefused) {
  EXPECT_THAT(FromStream(""), HasCode(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(FromStream("\n"), HasCode(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(FromStream("\xff\n"), HasCode(absl::StatusCode::kInvalidArgument));
}

TEST(GetPasswordTest, NewPasswordIsAskedForTwice) {
  std::istringstream in("never read");
  ScriptedPrompt same({"pass", "pass"});
  EXPECT_EQ(GetPassword(false, /*confirm=*/true, "alice", in, same)->Reveal(), "pass");
  EXPECT_EQ(same.asked(), 2);
  ScriptedPrompt differing({"pass", "Pass"});
  EXPECT_THAT(GetPassword(false, true, "alice", in, differing), HasCode(absl::StatusCode::kInvalidArgument));
  ScriptedPrompt once({"pass"});
  EXPECT_EQ(GetPassword(false, /*confirm=*/false, "alice", in, once)->Reveal(), "pass");
}

TEST(GetPasswordTest, StreamIsReadInsteadOfAsking) {
  std::istringstream in("pass\n");
  ScriptedPrompt prompt({});
  EXPECT_EQ(GetPassword(true, true, "alice", in, prompt)->Reveal(), "pass");
  EXPECT_EQ(prompt.asked(), 0);
}

}  // namespace
}  // namespace watchword
