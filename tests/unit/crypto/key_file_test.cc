#include "server/crypto/key_file.h"

#include <sys/stat.h>

#include <string>

#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"
#include "watchword/base/file.h"
#include "watchword/base/testing/fake_random.h"

namespace watchword {
namespace {

using Code = absl::StatusCode;

// 32 bytes: 0, 1, 2, … 31.
constexpr char kText[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

class KeyFileTest : public testing::Test {
 protected:
  absl::StatusOr<std::vector<Secret>> ReadOf(absl::string_view contents) {
    EXPECT_THAT(WriteSecretFile(path_, contents), IsOk());
    return ReadKeyFile(path_);
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/key";
};

TEST_F(KeyFileTest, CreatedKeyIsReadAgain) {
  FakeRandom random;
  const auto created = CreateKeyFile(path_, random);
  ASSERT_THAT(created, IsOk());
  EXPECT_EQ(created->Reveal().size(), 32);
  const auto read = ReadKeyFile(path_);
  ASSERT_THAT(read, IsOk());
  ASSERT_EQ(read->size(), 1u);
  EXPECT_EQ(read->front().Reveal(), created->Reveal());
}

TEST_F(KeyFileTest, FileIsOneLineOfBase64UrlForItsOwnerOnly) {
  FakeRandom random;
  ASSERT_THAT(CreateKeyFile(path_, random), IsOk());
  const auto contents = ReadFile(path_, 100);
  ASSERT_THAT(contents, IsOk());
  EXPECT_EQ(*contents, std::string(kText) + "\n");
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600);
}

TEST_F(KeyFileTest, ExistingKeyIsNeverOverwritten) {
  ASSERT_THAT(WriteSecretFile(path_, "precious"), IsOk());
  FakeRandom random;
  EXPECT_THAT(CreateKeyFile(path_, random), HasCode(Code::kAlreadyExists));
  const auto contents = ReadFile(path_, 100);
  ASSERT_THAT(contents, IsOk());
  EXPECT_EQ(*contents, "precious");
}

TEST_F(KeyFileTest, WithoutRandomnessThereIsNoFile) {
  FailingRandom random;
  EXPECT_THAT(CreateKeyFile(path_, random), HasCode(Code::kInternal));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(KeyFileTest, MissingFileIsNotFound) { EXPECT_THAT(ReadKeyFile(path_), HasCode(Code::kNotFound)); }

TEST_F(KeyFileTest, KeyThatOthersMayReadIsRefusedAndTheRemedyNamed) {
  ASSERT_THAT(WriteSecretFile(path_, kText), IsOk());
  ASSERT_EQ(chmod(path_.c_str(), 0640), 0);
  const auto read = ReadKeyFile(path_);
  EXPECT_THAT(read, HasCode(Code::kFailedPrecondition));
  EXPECT_NE(read.status().message().find("chmod 600"), absl::string_view::npos);
}

TEST_F(KeyFileTest, LastLineMayEndWithoutANewline) {
  EXPECT_THAT(ReadOf(kText), IsOk());
  EXPECT_THAT(ReadOf(std::string(kText) + "\n"), IsOk());
}

TEST_F(KeyFileTest, KeysThatAreReplacedFollowTheFirst) {
  const std::string other(43, 'A');
  const auto keys = ReadOf(other + "\n" + kText + "\n");
  ASSERT_THAT(keys, IsOk());
  ASSERT_EQ(keys->size(), 2u);
  EXPECT_EQ(keys->at(0).Reveal(), std::string(32, '\0'));
  EXPECT_EQ(keys->at(1).Reveal().substr(0, 2), absl::string_view("\0\1", 2));
  std::string many;
  for (int i = 0; i < 8; ++i) many += other + "\n";
  EXPECT_THAT(ReadOf(many), IsOk());
  EXPECT_THAT(ReadOf(many + other), HasCode(Code::kFailedPrecondition));
}

TEST_F(KeyFileTest, AnythingElseIsRefusedWithoutRepeatingIt) {
  const std::string text = kText;
  for (const std::string& contents :
       {std::string(), std::string("\n"), text + "\n\n", text + " ", " " + text, text + "\r\n", text + "=",
        text + "\nx", text.substr(1), text + "A", text.substr(0, 42) + "9", text.substr(0, 42), std::string(32, '\0'),
        std::string(2000, 'A')}) {
    const auto read = ReadOf(contents);
    EXPECT_THAT(read, HasCode(Code::kFailedPrecondition)) << contents;
    EXPECT_NE(read.status().message().find(path_), absl::string_view::npos);
    EXPECT_EQ(read.status().message().find("AECAwQ"), absl::string_view::npos);
  }
}

}  // namespace
}  // namespace watchword
