#include "server/transport/call_audit.h"

#include <string>

#include "gtest/gtest.h"

namespace watchword {
namespace {

constexpr char kId[] = "0af7651916cd43dd8448eb211c80319c";

std::string TraceParent(const std::string& version, const std::string& id, const std::string& rest = "") {
  return version + "-" + id + "-b7ad6b7169203331-01" + rest;
}

TEST(CallAuditTest, TraceIdIsTakenFromATraceparentOnly) {
  EXPECT_EQ(TraceIdOf(TraceParent("00", kId)), kId);
  EXPECT_EQ(TraceIdOf(TraceParent("cc", kId, "-what the future brings")), kId);
  for (const std::string& bad :
       {std::string(), TraceParent("00", kId, "-more"), TraceParent("cc", kId, "x"), TraceParent("ff", kId),
        TraceParent("00", std::string(32, '0')), TraceParent("00", std::string(32, 'A')),
        TraceParent("00", std::string(31, 'a')), TraceParent("00", std::string(33, 'a')), std::string(55, '-'),
        std::string(55, 'a'), TraceParent("00", std::string(31, 'a') + "\n"), TraceParent("0", kId, "0")}) {
    EXPECT_EQ(TraceIdOf(bad), "") << bad;
  }
}

TEST(CallAuditTest, NoteOfAnErrorIsForTheAuditLogAndChangesNothingElse) {
  const absl::Status plain = absl::UnauthenticatedError("INVALID_CREDENTIALS: wrong");
  const absl::Status noted =
      WithAuditNote(plain, {.target = {.subject = "s", .username = "u", .session = "i"}, .cause = "disabled"});
  EXPECT_EQ(noted.message(), plain.message());
  EXPECT_EQ(noted.code(), plain.code());
  EXPECT_EQ(ToGrpcStatus(noted).error_details(), ToGrpcStatus(plain).error_details());
  const AuditNote note = AuditNoteOf(noted);
  EXPECT_EQ(note.target.subject, "s");
  EXPECT_EQ(note.target.username, "u");
  EXPECT_EQ(note.target.session, "i");
  EXPECT_EQ(note.cause, "disabled");
  EXPECT_EQ(AuditNoteOf(plain).cause, "");
}

}  // namespace
}  // namespace watchword
