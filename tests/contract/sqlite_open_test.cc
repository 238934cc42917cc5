#include <SQLiteCpp/Database.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "faulty_disk.h"
#include "server/store_sqlite/statements.h"
#include "sqlite_fixture.h"

namespace watchword {
namespace {

using testing::HasSubstr;
using testing::Not;

// While it lives, the process is not root, who may write everywhere.
class NotRoot {
 public:
  NotRoot() { Become(65534); }
  ~NotRoot() { Become(0); }
  NotRoot(const NotRoot&) = delete;
  NotRoot& operator=(const NotRoot&) = delete;

 private:
  void Become(uid_t user) {
    if (was_root_ && seteuid(user) != 0) std::abort();
  }

  const bool was_root_ = geteuid() == 0;
};

// What the administrator sees when a store cannot be opened, and that the files are then as they were.
class SqliteOpenTest : public SqliteTest {
 protected:
  void ExpectRefused(const std::string& why) { ExpectRefused(path_, why); }

  void ExpectRefused(const std::string& path, const std::string& why) {
    const std::string database = Contents(path);
    const std::string log = Contents(path + "-wal");
    auto store = OpenSqliteStore(path, SystemRandom());
    EXPECT_THAT(store, HasCode(absl::StatusCode::kFailedPrecondition));
    const std::string message(store.status().message());
    EXPECT_THAT(message, HasSubstr(path));
    EXPECT_THAT(message, HasSubstr(why));
    EXPECT_THAT(message, Not(HasSubstr("\n")));
    EXPECT_TRUE(Contents(path) == database) << "the database was changed";
    EXPECT_TRUE(Contents(path + "-wal") == log) << "the log was changed";
  }

  // Runs SQL on the closed database, as another program would.
  void Execute(const std::string& sql) {
    SQLite::Database(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec(sql);
  }

  // A database of many pages.
  void FillAndClose() {
    auto store = OpenOrDie();
    const PrincipalRecord alice = AddAlice(*store);
    for (int i = 0; i < 40; ++i) AddSession(*store, alice);
  }

  static mode_t ModeOf(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
    return info.st_mode & 07777;
  }
};

TEST_F(SqliteOpenTest, SecondStoreOnOneFileIsRefused) {
  auto first = OpenOrDie();
  auto second = Open();
  EXPECT_THAT(second, HasCode(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another watchwordd"));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(path_));
  AddAlice(*first);  // and the first goes on
  first.reset();
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(SqliteOpenTest, SecondProcessOnOneFileIsRefused) {
  auto first = OpenOrDie();
  InChild([&] { EXPECT_THAT(Open(), HasCode(absl::StatusCode::kFailedPrecondition)); });
}

TEST_F(SqliteOpenTest, SameFileByAnotherNameIsRefused) {
  auto first = OpenOrDie();
  const std::string link = folder_.path() + "/link.db";
  std::filesystem::create_symlink(path_, link);
  EXPECT_THAT(OpenSqliteStore(link, SystemRandom()), HasCode(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(OpenSqliteStore(folder_.path() + "/./store.db", SystemRandom()),
              HasCode(absl::StatusCode::kFailedPrecondition));
}

// A backup that was put back while the server was away looks like any other closed database.
TEST_F(SqliteOpenTest, EachOpeningBeginsANewEpochSoThatARestoredLogIsNotTakenForTheOneItWasCopiedFrom) {
  const std::string first = OpenOrDie()->revocations().GetHead()->epoch;
  const std::string second = OpenOrDie()->revocations().GetHead()->epoch;
  EXPECT_EQ(second.size(), 16u);
  EXPECT_NE(first, second);
}

TEST_F(SqliteOpenTest, LockOfAProcessThatDiedIsFree) {
  InChild([&] { EXPECT_TRUE(Open().value() != nullptr); });
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(SqliteOpenTest, AllFilesAreForTheOwnerOnly) {
  const mode_t before = umask(0);
  const absl::Cleanup restore = [before] { umask(before); };
  auto store = OpenOrDie();
  AddAlice(*store);
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) EXPECT_EQ(ModeOf(path_ + suffix), 0600u) << suffix;
}

TEST_F(SqliteOpenTest, DatabaseThatEverybodyMayReadOrWriteIsRefused) {
  FillAndClose();
  for (const mode_t mode : {0604, 0602}) {
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
    ExpectRefused("run: chmod 600 ");
  }
  ASSERT_EQ(chmod(path_.c_str(), 0660), 0);
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(SqliteOpenTest, MissingFolderIsRefusedAndNotMade) {
  const std::string folder = folder_.path() + "/missing";
  ExpectRefused(folder + "/store.db", "the folder " + folder + " does not exist");
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(SqliteOpenTest, FolderThatCannotBeWrittenIsRefused) {
  ASSERT_EQ(chmod(folder_.path().c_str(), 0555), 0);
  {
    const NotRoot not_root;
    ExpectRefused("Permission denied");
  }
  ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(SqliteOpenTest, FileThatCannotBeWrittenIsRefused) {
  FillAndClose();
  ASSERT_EQ(chmod(path_.c_str(), 0444), 0);
  ASSERT_EQ(chmod((path_ + ".lock").c_str(), 0666), 0);
  ASSERT_EQ(chmod(folder_.path().c_str(), 0777), 0);
  const NotRoot not_root;
  ExpectRefused("Permission denied");
}

TEST_F(SqliteOpenTest, FolderInPlaceOfTheFileIsRefused) {
  ASSERT_TRUE(std::filesystem::create_directory(path_));
  ExpectRefused("Is a directory");
}

TEST_F(SqliteOpenTest, FileThatIsNoDatabaseIsRefused) {
  for (const std::string& contents :
       {std::string("x"), std::string("SQLite format 3\0", 16), std::string(8192, '\0'), std::string(8192, 'x')}) {
    Overwrite(path_, contents);
    ExpectRefused("not an SQLite database");
  }
}

TEST_F(SqliteOpenTest, DatabaseOfAnotherProgramIsRefused) {
  Execute("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
  ExpectRefused("another program");
}

TEST_F(SqliteOpenTest, SchemaOfANewerReleaseIsRefused) {
  FillAndClose();
  Execute("PRAGMA user_version = 1000");
  ExpectRefused("newer release");
}

TEST_F(SqliteOpenTest, SchemaOfANewerReleaseThatIsStillInTheLogIsRefused) {
  FillAndClose();
  InChild([&] {
    auto* const never_closed = new SQLite::Database(path_, SQLite::OPEN_READWRITE);
    never_closed->exec("PRAGMA user_version = 1000");
  });
  ASSERT_FALSE(Contents(path_ + "-wal").empty());
  ExpectRefused("newer release");
}

TEST_F(SqliteOpenTest, MigrationThatIsNotOfThisReleaseIsRefused) {
  FillAndClose();
  Execute("UPDATE schema_migrations SET checksum = checksum + 1");
  ExpectRefused("migration 1");
  Execute("DELETE FROM schema_migrations");
  ExpectRefused("migration 1");
}

TEST_F(SqliteOpenTest, DamagedDatabaseIsRefused) {
  FillAndClose();
  std::string contents = Contents(path_);
  ASSERT_GT(contents.size(), 3u * 4096);
  contents.replace(4096, contents.size() - 4096, contents.size() - 4096, '\xff');
  Overwrite(path_, contents);
  ExpectRefused("damaged");
}

TEST_F(SqliteOpenTest, TruncatedDatabaseIsRefused) {
  FillAndClose();
  Overwrite(path_, Contents(path_).substr(0, 4096 + 100));
  ExpectRefused("damaged");
}

TEST_F(SqliteOpenTest, DamagedDatabaseKeepsItsLog) {
  InChild([&] {
    auto* const never_closed = OpenOrDie().release();
    AddAlice(*never_closed);
  });
  ASSERT_FALSE(Contents(path_ + "-wal").empty());
  std::string contents = Contents(path_);
  contents.replace(4096, contents.size() - 4096, contents.size() - 4096, '\xff');
  Overwrite(path_, contents);
  ExpectRefused("damaged");
}

TEST_F(SqliteOpenTest, LogWithoutItsDatabaseIsRefusedNotDeleted) {
  Overwrite(path_ + "-wal", "what was written last");
  ExpectRefused("its log (-wal) is there");
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SqliteOpenTest, FirstStartThatWasInterruptedIsDoneAgain) {
  Overwrite(path_, "");
  EXPECT_THAT(Open(), IsOk());
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(SqliteOpenTest, FirstStartOnADiskThatFillsUpAnywhereCanBeDoneAgain) {
  FaultyDisk disk;
  int good_writes = 0;
  for (bool opened = false; !opened; ++good_writes) {
    disk.FailWrites(SQLITE_FULL, good_writes);
    const absl::Status status = Open().status();
    disk.Heal();
    opened = status.ok();
    EXPECT_THAT(status, testing::AnyOf(IsOk(), HasCode(absl::StatusCode::kUnavailable)));
    EXPECT_THAT(OpenOrDie()->Ping(), IsOk());
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) std::filesystem::remove(path_ + suffix);
  }
  EXPECT_GT(good_writes, 10);
}

TEST_F(SqliteOpenTest, EveryStatementUsesAnIndex) {
  OpenOrDie();
  // There are a handful of signing keys, and they are wanted all.
  const std::set<Sql> may_scan_an_index = {Sql::kListKeys, Sql::kInsertFirstKey};
  const auto is_of_signing_keys = [](const std::string& step) { return step == "SCAN signing_keys"; };
  SQLite::Database database(path_);
  for (size_t i = 0; i < kSqlCount; ++i) {
    const std::string text = TextOf(static_cast<Sql>(i));
    SQLite::Statement plan(database, "EXPLAIN QUERY PLAN " + text);
    while (plan.executeStep()) {
      const std::string step = plan.getColumn(3).getString();
      EXPECT_THAT(step, Not(HasSubstr("TEMP B-TREE"))) << text;
      const bool scans = absl::StartsWith(step, "SCAN") && step != "SCAN CONSTANT ROW";
      const bool by_index = absl::StrContains(step, "USING") && absl::StrContains(step, "INDEX");
      EXPECT_TRUE(!scans || is_of_signing_keys(step) || (by_index && may_scan_an_index.contains(static_cast<Sql>(i))))
          << text << "\n"
          << step;
    }
  }
}

}  // namespace
}  // namespace watchword
