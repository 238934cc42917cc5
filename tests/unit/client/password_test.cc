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

absl::StatusOr<PasswordChange> ChangeFrom(const std::string& text) {
  std::istringstream in(text);
  ScriptedPrompt prompt({});
  return GetPasswordChange(true, "alice", in, prompt);
}

TEST(GetPasswordChangeTest, StreamHoldsTwoLines) {
  for (const char* text : {"old one\nnew one\n", "old one\nnew one"}) {
    const auto change = ChangeFrom(text);
    ASSERT_THAT(change, IsOk());
    EXPECT_EQ(change->current.Reveal(), "old one");
    EXPECT_EQ(change->wanted.Reveal(), "new one");
  }
  const std::string longest(1024, 'x');
  EXPECT_EQ(ChangeFrom(longest + "\n" + longest + "\n")->wanted.Reveal(), longest);
  for (const std::string& text : {std::string(), std::string("old"), std::string("old\n"), std::string("old\n\n"),
                                  std::string("\nnew\n"), longest + "x\nnew\n", longest + "\n" + longest + "x\n"}) {
    EXPECT_THAT(ChangeFrom(text), HasCode(absl::StatusCode::kInvalidArgument)) << text.substr(0, 10);
  }
}

TEST(GetPasswordChangeTest, TheNewOneIsAskedForTwice) {
  std::istringstream in("never read");
  ScriptedPrompt prompt({"old", "new", "new"});
  const auto change = GetPasswordChange(false, "alice", in, prompt);
  ASSERT_THAT(change, IsOk());
  EXPECT_EQ(change->current.Reveal(), "old");
  EXPECT_EQ(change->wanted.Reveal(), "new");
  EXPECT_EQ(prompt.asked(), 3);
  ScriptedPrompt differing({"old", "new", "knew"});
  EXPECT_THAT(GetPasswordChange(false, "alice", in, differing), HasCode(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace watchword
