#include "watchword/client/credential_file.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr char kAddress[] = "127.0.0.1:7070";

StoredLogin AliceLogin() {
  return {.address = kAddress,
          .username = "Alice",
          .session_id = "s-1",
          .credential = "aaa.bbb.ccc",
          .expires_at = absl::FromUnixMicros(1'800'000'000'123'456),
          .refresh_token = "ww_r_x",
          .scopes = {"a", "b"}};
}

class CredentialFolderTest : public testing::Test {
 protected:
  std::vector<fs::path> FilesEnding(const std::string& ending) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(path_)) {
      if (entry.path().extension() == ending) files.push_back(entry.path());
    }
    return files;
  }
  static mode_t ModeOf(const fs::path& path) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }

  TemporaryFolder parent_;
  const std::string path_ = parent_.path() + "/state/watchword";
  CredentialFolder folder_{path_};
};

TEST_F(CredentialFolderTest, LoginIsReadAsItWasSaved) {
  ASSERT_THAT(folder_.Save(AliceLogin()), IsOk());
  const auto login = folder_.Load(kAddress, "Alice");
  ASSERT_THAT(login, IsOk());
  EXPECT_EQ(login->address, kAddress);
  EXPECT_EQ(login->username, "Alice");
  EXPECT_EQ(login->session_id, "s-1");
  EXPECT_EQ(login->credential, "aaa.bbb.ccc");
  EXPECT_EQ(login->expires_at, absl::FromUnixMicros(1'800'000'000'123'456));
  EXPECT_EQ(login->refresh_token, "ww_r_x");
  EXPECT_THAT(login->scopes, ElementsAre("a", "b"));
  EXPECT_FALSE(login->is_session_token());
}

TEST_F(CredentialFolderTest, FolderAndFilesAreTheOwnersAlone) {
  ASSERT_THAT(folder_.Save(AliceLogin()), IsOk());
  ASSERT_THAT(folder_.SetDefaultUser(kAddress, "Alice"), IsOk());
  ASSERT_THAT(folder_.Lock(kAddress, "Alice", absl::ZeroDuration()), IsOk());
  EXPECT_EQ(ModeOf(path_), 0700u);
  for (const auto& entry : fs::directory_iterator(path_)) EXPECT_EQ(ModeOf(entry.path()), 0600u) << entry.path();
}

TEST_F(CredentialFolderTest, FolderOpenToOthersIsClosed) {
  fs::create_directories(path_);
  fs::permissions(path_, fs::perms(0777));
  ASSERT_THAT(folder_.Save(AliceLogin()), IsOk());
  EXPECT_EQ(ModeOf(path_), 0700u);
}

TEST_F(CredentialFolderTest, FileOpenToOthersIsRefusedByName) {
  ASSERT_THAT(folder_.Save(AliceLogin()), IsOk());
  const fs::path file = FilesEnding(".json").at(0);
  for (const int mode : {0640, 0604, 0620, 0601}) {
    fs::permissions(file, fs::perms(mode));
    const auto login = folder_.Load(kAddress, "Alice");
    EXPECT_THAT(login, HasCode(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(login.status().message(), HasSubstr(file.string()));
  }
}

TEST_F(CredentialFolderTest, LoginsAreKeptApartByAddressAndUser) {
  ASSERT_THAT(folder_.Save(AliceLogin()), IsOk());
  EXPECT_THAT(folder_.Load(kAddress, "bob"), HasReason(kNotLoggedIn));
  EXPECT_THAT(folder_.Load("127.0.0.1:7071", "Alice"), HasReason(kNotLoggedIn));
  EXPECT_THAT(folder_.Load(kAddress, "aLICE"), IsOk()) << "upper and lower case are one user";
}

TEST_F(CredentialFolderTest, NamesMayHoldAnything) {
  StoredLogin login = AliceLogin();
  const std::vector<std::string> names = {"../../etc/passwd", "a/b", "n\u00e9", std::string(255, 'x'), "a\nb"};
  for (const std::string& name : names) {
    login.username = name;
    ASSERT_THAT(folder_.Save(login), IsOk()) << name;
    EXPECT_EQ(folder_.Load(kAddress, name)->username, name);
  }
  EXPECT_EQ(FilesEnding(".json").size(), 5u);
}

TEST_F(CredentialFolderTest, NameThatJsonCannotHoldIsRefused) {
  StoredLogin login = AliceLogin();
  login.username = "\xff";
  EXPECT_THAT(folder_.Save(login), HasCode(absl::StatusCode::kInvalidArgument));
}

TEST_F(CredentialFolderTest, FileMovedFromAnotherAddressIsRefused) {
  ASSERT_THAT(folder_.Save(AliceLogin()), IsOk());
  const fs::path of_alice = FilesEnding(".json").at(0);
  StoredLogin elsewhere = AliceLogin();
  elsewhere.address = "evil.example:1";
  ASSERT_THAT(folder_.Save(elsewhere), IsOk());
  for (const auto& file : FilesEnding(".json")) {
    if (file != of_alice) fs::rename(of_alice, file);
  }
  EXPECT_THAT(folder_.Load("evil.example:1", "Alice"), HasCode(absl::StatusCode::kFailedPrecondition));
}

TEST_F(CredentialFolderTest, DamagedFileIsRefused) {
  ASSERT_THAT(folder_.Save(AliceLogin()), IsOk());
  const fs::path file = FilesEnding(".json").at(0);
  for (const char* text : {"", "{", "[]", "{}", R"({"format":1})", "\xff"}) {
    std::ofstream(file) << text;
    EXPECT_THAT(folder_.Load(kAddress, "Alice"), HasCode(absl::StatusCode::kFailedPrecondition)) << text;
  }
}

TEST_F(CredentialFolderTest, DefaultIsWhoWasSetLast) {
  EXPECT_THAT(folder_.DefaultUser(kAddress), HasReason(kNotLoggedIn));
  ASSERT_THAT(folder_.SetDefaultUser(kAddress, "Alice"), IsOk());
  ASSERT_THAT(folder_.SetDefaultUser(kAddress, "bob"), IsOk());
  EXPECT_EQ(*folder_.DefaultUser(kAddress), "bob");
  EXPECT_THAT(folder_.DefaultUser("other:1"), HasReason(kNotLoggedIn));
}

TEST_F(CredentialFolderTest, RemovedLoginIsGoneAndNobodyTakesItsPlaceAsDefault) {
  StoredLogin bob = AliceLogin();
  bob.username = "bob";
  ASSERT_THAT(folder_.Save(AliceLogin()), IsOk());
  ASSERT_THAT(folder_.Save(bob), IsOk());
  ASSERT_THAT(folder_.SetDefaultUser(kAddress, "bob"), IsOk());
  ASSERT_THAT(folder_.Remove(kAddress, "alice"), IsOk());
  EXPECT_THAT(folder_.Load(kAddress, "Alice"), HasReason(kNotLoggedIn));
  EXPECT_EQ(*folder_.DefaultUser(kAddress), "bob");
  ASSERT_THAT(folder_.Remove(kAddress, "bob"), IsOk());
  EXPECT_THAT(folder_.DefaultUser(kAddress), HasReason(kNotLoggedIn));
  EXPECT_THAT(folder_.Remove(kAddress, "bob"), IsOk()) << "idempotent";
  EXPECT_TRUE(FilesEnding(".json").empty());
}

TEST_F(CredentialFolderTest, LockExcludesAnotherUntilItIsFreed) {
  {
    const auto held = folder_.Lock(kAddress, "Alice", absl::ZeroDuration());
    ASSERT_THAT(held, IsOk());
    EXPECT_THAT(folder_.Lock(kAddress, "alice", absl::ZeroDuration()), HasCode(absl::StatusCode::kDeadlineExceeded));
    EXPECT_THAT(folder_.Lock(kAddress, "bob", absl::ZeroDuration()), IsOk());
  }
  EXPECT_THAT(folder_.Lock(kAddress, "Alice", absl::ZeroDuration()), IsOk());
}

TEST(DefaultPathTest, FollowsTheXdgRules) {
  const std::string home_before = getenv("HOME") == nullptr ? "" : getenv("HOME");
  setenv("HOME", "/home/x", 1);
  setenv("XDG_STATE_HOME", "/state", 1);
  EXPECT_EQ(*CredentialFolder::DefaultPath(), "/state/watchword");
  setenv("XDG_STATE_HOME", "relative", 1);
  EXPECT_EQ(*CredentialFolder::DefaultPath(), "/home/x/.local/state/watchword");
  unsetenv("XDG_STATE_HOME");
  EXPECT_EQ(*CredentialFolder::DefaultPath(), "/home/x/.local/state/watchword");
  unsetenv("HOME");
  EXPECT_THAT(CredentialFolder::DefaultPath(), HasCode(absl::StatusCode::kFailedPrecondition));
  setenv("HOME", home_before.c_str(), 1);
}

}  // namespace
}  // namespace watchword
