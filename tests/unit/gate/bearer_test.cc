#include "watchword/gate/bearer.h"

#include <string>

#include "gmock/gmock.h"
#include "testing/status_matchers.h"
#include "watchword/token/reasons.h"
#include "watchword/token/verifier.h"

namespace watchword {
namespace {

TEST(ParseBearerTest, CredentialAfterTheSchemeInAnyCase) {
  EXPECT_EQ(*ParseBearer("Bearer abc.DEF-1_2~3+4/5=="), "abc.DEF-1_2~3+4/5==");
  EXPECT_EQ(*ParseBearer("bEaReR x"), "x");
}

TEST(ParseBearerTest, EverythingElseIsRefused) {
  using namespace std::string_literals;
  for (const std::string& value : {""s,
                                   " "s,
                                   "Bearer"s,
                                   "Bearer "s,
                                   "Bearer  x"s,
                                   " Bearer x"s,
                                   "Bearer\tx"s,
                                   "Bearer x "s,
                                   "Basic x"s,
                                   "token x"s,
                                   "x"s,
                                   "Bearer: x"s,
                                   "Bearer x,Bearer y"s,
                                   "Bearer x, Bearer y"s,
                                   "Bearer x\r\n"s,
                                   "Bearer x\0"s,
                                   "Bearer x\0y"s,
                                   "Bearer \xff"s,
                                   "Bearer ="s,
                                   "Bearer a=b"s,
                                   "Bearer x y"s,
                                   "Bearer \"x\""s}) {
    EXPECT_THAT(ParseBearer(value),
                testing::AllOf(HasCode(absl::StatusCode::kUnauthenticated), HasReason(kTokenInvalid)))
        << testing::PrintToString(value);
  }
}

TEST(ParseBearerTest, SizeLimitIsExact) {
  EXPECT_THAT(ParseBearer("Bearer " + std::string(kMaxCredentialSize, 'x')), IsOk());
  EXPECT_THAT(ParseBearer("Bearer " + std::string(kMaxCredentialSize + 1, 'x')), HasReason(kTokenInvalid));
}

TEST(ParseBearerTest, RefusalDoesNotRepeatTheCredential) {
  EXPECT_THAT(ParseBearer("Basic sesame").status().message(), testing::Not(testing::HasSubstr("sesame")));
  EXPECT_THAT(ParseBearer("Bearer ses ame").status().message(), testing::Not(testing::HasSubstr("ame")));
}

TEST(AuthorizationEntriesTest, OneEntryOnly) {
  AuthorizationEntries entries;
  ASSERT_THAT(entries.Bearer(), IsOk());
  EXPECT_EQ(*entries.Bearer(), std::nullopt);
  entries.Add("Bearer x");
  ASSERT_THAT(entries.Bearer(), IsOk());
  EXPECT_EQ(**entries.Bearer(), "x");
  entries.Add("Bearer x");
  EXPECT_THAT(entries.Bearer(), HasReason(kTokenInvalid));
}

TEST(AuthorizationEntriesTest, EmptyEntryIsAnEntry) {
  AuthorizationEntries entries;
  entries.Add("");
  EXPECT_THAT(entries.Bearer(), HasReason(kTokenInvalid));
}

}  // namespace
}  // namespace watchword
