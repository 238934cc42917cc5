#include "server/service/bootstrap.h"

#include <sys/stat.h>

#include "gmock/gmock.h"
#include "testing/service_fixture.h"
#include "watchword/base/file.h"

namespace watchword {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class BootstrapTest : public testing::Test {
 protected:
  BootstrapTest() : store_(*OpenSqliteStore(folder_.path() + "/store.db", SystemRandom())) {}

  absl::Status Ensure(std::optional<std::string> password_file = std::nullopt) {
    return EnsureAdministrator(
        {.username = "admin", .password_file = std::move(password_file), .generated_password_file = generated_},
        store_->users(), hasher_, clock_, SystemRandom(), log_);
  }
  absl::StatusOr<bool> IsPassword(absl::string_view password) {
    return hasher_.Verify(Secret::CopyOf(password), store_->users().FindByName("admin")->password_hash);
  }

  TemporaryFolder folder_;
  FakeClock clock_;
  RecordingLogger log_;
  std::unique_ptr<Store> store_;
  const std::string generated_ = folder_.path() + "/bootstrap-admin-password";
  const PasswordHasher hasher_ = *PasswordHasher::Create({.memory_kib = 8192, .passes = 1}, SystemRandom());
};

TEST_F(BootstrapTest, GeneratesAPasswordThatOnlyTheOwnerMayReadAndLogsItNowhere) {
  ASSERT_THAT(Ensure(), IsOk());
  struct stat info {};
  ASSERT_EQ(stat(generated_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600);
  std::string password = *ReadFile(generated_, 100);
  ASSERT_EQ(password.back(), '\n');
  password.pop_back();
  EXPECT_TRUE(*IsPassword(password));
  EXPECT_THAT(store_->users().FindByName("admin")->scopes, ElementsAre("watchword.admin", "watchword.validate"));
  EXPECT_THAT(log_.text(), testing::Not(HasSubstr(password)));
}

TEST_F(BootstrapTest, RepeatingTheStartChangesNothing) {
  ASSERT_THAT(Ensure(), IsOk());
  const std::string before = *ReadFile(generated_, 100);
  ASSERT_THAT(Ensure(), IsOk());
  EXPECT_EQ(*ReadFile(generated_, 100), before);
}

TEST_F(BootstrapTest, AStartThatWasCutShortAfterThePasswordWasWrittenIsFinishedWithIt) {
  ASSERT_THAT(CreateSecretFile(generated_, "a password from before\n"), IsOk());
  ASSERT_THAT(Ensure(), IsOk());
  EXPECT_TRUE(*IsPassword("a password from before"));
}

TEST_F(BootstrapTest, IsNoWayIntoARunningSystem) {
  ASSERT_THAT(store_->users().Create({.id = *Uuid::NewV7(clock_.Now(), SystemRandom()),
                                      .name = "somebody",
                                      .password_hash = "x",
                                      .created_at = clock_.Now()}),
              IsOk());
  ASSERT_THAT(Ensure(), IsOk());
  EXPECT_THAT(store_->users().FindByName("admin"), HasCode(absl::StatusCode::kNotFound));
}

TEST_F(BootstrapTest, TakesThePasswordFromAFileThatOnlyTheOwnerMayRead) {
  const std::string file = folder_.path() + "/given";
  ASSERT_THAT(WriteSecretFile(file, "a password from a file\n"), IsOk());
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  EXPECT_THAT(Ensure(file), HasCode(absl::StatusCode::kFailedPrecondition));
  ASSERT_EQ(chmod(file.c_str(), 0600), 0);
  ASSERT_THAT(Ensure(file), IsOk());
  EXPECT_TRUE(*IsPassword("a password from a file"));
}

TEST_F(BootstrapTest, RefusesAWeakPassword) {
  const std::string file = folder_.path() + "/given";
  for (const char* weak : {"short\n", "adminadminadminadmin\n", "passwordpassword\n"}) {
    ASSERT_THAT(WriteSecretFile(file, weak), IsOk());
    EXPECT_THAT(Ensure(file), HasCode(absl::StatusCode::kFailedPrecondition)) << weak;
  }
  EXPECT_THAT(store_->users().FindByName("admin"), HasCode(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace watchword
