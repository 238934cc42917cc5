#include "watchword/base/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace watchword {
namespace {

namespace fs = std::filesystem;
using Code = absl::StatusCode;

class FileTest : public testing::Test {
 protected:
  std::string PathOf(const std::string& name) const { return folder_.path() + "/" + name; }
  size_t FileCount() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()));
  }
  static mode_t ModeOf(const std::string& path) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
  }

  TemporaryFolder folder_;
};

TEST_F(FileTest, WhatIsWrittenIsReadByteByByte) {
  const std::string contents("a\0b\n\xff", 5);
  ASSERT_THAT(WriteSecretFile(PathOf("a"), contents), IsOk());
  const auto read = ReadFile(PathOf("a"), 5);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(*read, contents);
}

TEST_F(FileTest, FileOfExactlyTheLimitIsReadAndOneByteMoreIsNot) {
  ASSERT_THAT(WriteSecretFile(PathOf("a"), "12345"), IsOk());
  EXPECT_THAT(ReadFile(PathOf("a"), 6), IsOk());
  EXPECT_THAT(ReadFile(PathOf("a"), 5), IsOk());
  EXPECT_THAT(ReadFile(PathOf("a"), 4), HasCode(Code::kOutOfRange));
  EXPECT_THAT(ReadSecretFile(PathOf("a"), 4), HasCode(Code::kOutOfRange));
}

TEST_F(FileTest, MissingFileIsNotFoundAndNamed) {
  const auto read = ReadFile(PathOf("missing"), 10);
  EXPECT_THAT(read, HasCode(Code::kNotFound));
  EXPECT_NE(read.status().message().find(PathOf("missing")), absl::string_view::npos);
}

TEST_F(FileTest, SecretThatOthersMayReadOrWriteIsRefused) {
  ASSERT_THAT(WriteSecretFile(PathOf("a"), "secret"), IsOk());
  for (const mode_t bit : {040, 020, 010, 004, 002, 001}) {
    ASSERT_EQ(chmod(PathOf("a").c_str(), 0600 | bit), 0);
    EXPECT_THAT(ReadSecretFile(PathOf("a"), 10), HasCode(Code::kFailedPrecondition)) << bit;
    EXPECT_THAT(ReadFile(PathOf("a"), 10), IsOk());
  }
  ASSERT_EQ(chmod(PathOf("a").c_str(), 0400), 0);
  EXPECT_THAT(ReadSecretFile(PathOf("a"), 10), IsOk());
}

TEST(KeepsSecretTest, OnlyRootMayLendAFileToAGroupAndOnlyForReading) {
  constexpr uid_t kRoot = 0, kUser = 65532, kOther = 1000;
  for (const mode_t mode : {0600, 0400}) EXPECT_TRUE(KeepsSecret(kUser, mode, kUser)) << std::oct << mode;
  for (const mode_t mode : {0640, 0440, 0400}) EXPECT_TRUE(KeepsSecret(kRoot, mode, kUser)) << std::oct << mode;
  for (const mode_t mode : {0444, 0660, 0450, 0404, 0402, 0401}) {
    EXPECT_FALSE(KeepsSecret(kRoot, mode, kUser)) << std::oct << mode;
  }
  for (const uid_t owner : {kUser, kOther}) EXPECT_FALSE(KeepsSecret(owner, 0440, kUser)) << owner;
  EXPECT_FALSE(KeepsSecret(kRoot, 0440, kRoot)) << "root's own secrets are nobody else's";
}

TEST_F(FileTest, SecretThatIsNoRegularFileIsRefusedWithoutWaiting) {
  EXPECT_THAT(ReadSecretFile(folder_.path(), 10), HasCode(Code::kFailedPrecondition));
  ASSERT_EQ(mkfifo(PathOf("pipe").c_str(), 0600), 0);
  EXPECT_THAT(ReadSecretFile(PathOf("pipe"), 10), HasCode(Code::kFailedPrecondition));
}

TEST_F(FileTest, SecretFilesBelongToTheirOwnerOnlyWhateverTheUmask) {
  const mode_t umask_before = umask(0);
  EXPECT_THAT(WriteSecretFile(PathOf("a"), "1"), IsOk());
  EXPECT_THAT(CreateSecretFile(PathOf("b"), "1"), IsOk());
  EXPECT_THAT(MakePrivateFolder(PathOf("c/d")), IsOk());
  umask(umask_before);
  EXPECT_EQ(ModeOf(PathOf("a")), 0600);
  EXPECT_EQ(ModeOf(PathOf("b")), 0600);
  EXPECT_EQ(ModeOf(PathOf("c")), 0700);
  EXPECT_EQ(ModeOf(PathOf("c/d")), 0700);
}

TEST_F(FileTest, WriteReplacesAndLeavesNothingElseBehind) {
  ASSERT_THAT(WriteSecretFile(PathOf("a"), "old"), IsOk());
  ASSERT_THAT(WriteSecretFile(PathOf("a"), "new"), IsOk());
  const auto read = ReadSecretFile(PathOf("a"), 10);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(*read, "new");
  EXPECT_EQ(FileCount(), 1);
}

TEST_F(FileTest, CreateLeavesAnExistingFileAlone) {
  ASSERT_THAT(CreateSecretFile(PathOf("a"), "old"), IsOk());
  EXPECT_THAT(CreateSecretFile(PathOf("a"), "new"), HasCode(Code::kAlreadyExists));
  const auto read = ReadSecretFile(PathOf("a"), 10);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(*read, "old");
  EXPECT_EQ(FileCount(), 1);
}

TEST_F(FileTest, WriteIntoAMissingFolderFailsAndNamesThePath) {
  const absl::Status status = WriteSecretFile(PathOf("missing/a"), "1");
  EXPECT_THAT(status, HasCode(Code::kNotFound));
  EXPECT_NE(status.message().find(PathOf("missing/a")), absl::string_view::npos);
}

TEST_F(FileTest, ExistingFolderIsLeftAsItIs) {
  ASSERT_EQ(mkdir(PathOf("a").c_str(), 0750), 0);
  EXPECT_THAT(MakePrivateFolder(PathOf("a")), IsOk());
  EXPECT_EQ(ModeOf(PathOf("a")), 0750);
}

TEST_F(FileTest, FolderWhereAFileIsIsRefused) {
  ASSERT_THAT(WriteSecretFile(PathOf("a"), "1"), IsOk());
  EXPECT_THAT(MakePrivateFolder(PathOf("a")), HasCode(Code::kFailedPrecondition));
  EXPECT_THAT(MakePrivateFolder(PathOf("a/b")), HasCode(Code::kFailedPrecondition));
}

}  // namespace
}  // namespace watchword
