#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "server/store_sqlite/sqlite_store.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"
#include "watchword/base/random.h"

namespace watchword {

// A folder for an SQLite store, and records to fill it with.
class SqliteTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Store>> Open() { return OpenSqliteStore(path_, SystemRandom()); }

  std::unique_ptr<Store> OpenOrDie() {
    auto store = Open();
    EXPECT_THAT(store, IsOk());
    if (!store.ok()) std::abort();
    return *std::move(store);
  }

  PrincipalRecord AddAlice(Store& store) {
    PrincipalRecord alice;
    alice.id = *Uuid::NewV7(now_, SystemRandom());
    alice.name = "alice";
    alice.created_at = now_;
    EXPECT_THAT(store.users().Create(alice), IsOk());
    return alice;
  }

  absl::StatusOr<SessionRecord> TryAddSession(Store& store, const PrincipalRecord& principal) {
    SessionRecord session;
    session.created_at = now_ + absl::Hours(1);
    session.id = *Uuid::NewV7(session.created_at, SystemRandom());
    session.principal = principal.id;
    session.binding = std::string(32, 'b');
    session.idle_expires_at = session.expires_at = now_ + absl::Hours(24);
    if (auto status = store.sessions().Create(session, principal.credential_version); !status.ok()) return status;
    return session;
  }
  SessionRecord AddSession(Store& store, const PrincipalRecord& principal) {
    auto session = TryAddSession(store, principal);
    EXPECT_THAT(session, IsOk());
    return session.value_or(SessionRecord());
  }

  // Not while a store of this process has the file open: closing it again would drop SQLite's locks.
  static std::string Contents(const std::string& path) {
    if (!std::filesystem::is_regular_file(path)) return "";
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  static void Overwrite(const std::string& path, const std::string& contents) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << contents;
    std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }

  // Runs `work` in a process of its own, which then ends as if killed: nothing is closed.
  static void InChild(const std::function<void()>& work) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      work();
      _exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  const absl::Time forget_at_ = now_ + absl::Hours(2);
  TemporaryFolder folder_;
  std::string path_ = folder_.path() + "/store.db";
};

}  // namespace watchword
