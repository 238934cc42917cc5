#include "server/store_sqlite/database.h"

#include <SQLiteCpp/Transaction.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/store_sqlite/schema.h"
#include "server/store_sqlite/sqlite_status.h"

namespace watchword {
namespace {

constexpr int kReaders = 4;

absl::Status Refused(absl::string_view what, const std::string& path) {
  return absl::FailedPreconditionError(absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path)).message());
}

// One name for one file, however it is reached: absolute, without symbolic links. SQLite then also takes it for nothing
// but a path ("file:…" and ":memory:" have a meaning).
absl::StatusOr<std::string> CanonicalPath(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  const auto canonical = std::filesystem::weakly_canonical(absolute, error);
  if (error || path.empty()) return absl::FailedPreconditionError("this is not a usable path");
  const auto folder = canonical.parent_path();
  if (!std::filesystem::is_directory(folder, error)) {
    return absl::FailedPreconditionError(absl::StrCat("the folder ", folder.string(), " does not exist: create it"));
  }
  return canonical.string();
}

bool HasContents(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && info.st_size > 0;
}

// The group may: Kubernetes gives every file of a volume to one.
absl::Status CheckMode(int descriptor, const std::string& path) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return Refused("cannot inspect", path);
  if ((info.st_mode & 07) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("everybody on this machine may use it; run: chmod 600 ", path));
}

// Makes the file, for its owner only, if it is not there; SQLite gives the files beside it the same mode. Must come
// before SQLite opens it, since closing any descriptor of a file drops all of the process's POSIX locks on it, and
// after LockFile, so that this cannot happen to another store in this process.
absl::Status PrepareFile(const std::string& path) {
  // SQLite would delete the log.
  if (!HasContents(path) && HasContents(path + "-wal")) {
    return absl::FailedPreconditionError("it is missing or empty, but its log (-wal) is there: restore the database");
  }
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return Refused("cannot write", path);
  const absl::Cleanup close_it = [descriptor] { close(descriptor); };
  std::string header(kFileHeaderSize, '\0');
  const ssize_t size = pread(descriptor, header.data(), header.size(), 0);
  if (size < 0) return Refused("cannot read", path);
  header.resize(static_cast<size_t>(size));
  if (auto status = CheckHeader(header); !status.ok()) return status;
  return CheckMode(descriptor, path);
}

// Whether closing the connection leaves the log as it is, instead of moving it into the database.
void KeepLogOnClose(SQLite::Database& database, bool keep) {
  sqlite3_db_config(database.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep ? 1 : 0, nullptr);
}

absl::Status CheckPages(SQLite::Database& database) {
  const std::string result = database.execAndGet("PRAGMA quick_check(1)").getString();
  if (result == "ok") return absl::OkStatus();
  return absl::DataLossError(absl::StrReplaceAll(result, {{"\n", " "}}));
}

absl::StatusOr<std::unique_ptr<Connection>> OpenWriter(const std::string& path, RandomSource& random) {
  std::unique_ptr<Connection> writer;
  absl::Status status = CatchSqlite([&]() -> absl::Status {
    writer = std::make_unique<Connection>(path);
    SQLite::Database& database = writer->database();
    KeepLogOnClose(database, true);  // nothing is changed unless all is well
    database.exec("PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL");
    if (auto intact = CheckPages(database); !intact.ok()) return intact;
    // A new file becomes a Watchword database before it gets a log, so that its header always says whose it is.
    if (auto migrated = Migrate(*writer, random); !migrated.ok()) return migrated;
    if (database.execAndGet("PRAGMA journal_mode = WAL").getString() != "wal") {
      return absl::FailedPreconditionError("its file system has no shared memory, which the log (WAL) needs");
    }
    database.exec("PRAGMA journal_size_limit = 67108864");  // gives back what a burst of writes took
    KeepLogOnClose(database, false);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return writer;
}

absl::StatusOr<std::vector<std::unique_ptr<Connection>>> OpenReaders(const std::string& path) {
  std::vector<std::unique_ptr<Connection>> readers;
  absl::Status status = CatchSqlite([&] {
    for (int i = 0; i < kReaders; ++i) {
      readers.push_back(std::make_unique<Connection>(path));
      readers.back()->database().exec("PRAGMA trusted_schema = OFF; PRAGMA query_only = ON");
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return readers;
}

// One line for whoever starts the server.
absl::Status CannotOpen(const std::string& path, const absl::Status& why) {
  const bool damaged = absl::IsDataLoss(why);
  return absl::Status(damaged ? absl::StatusCode::kFailedPrecondition : why.code(),
                      absl::StrCat("cannot use the database ", path, ": ",
                                   damaged ? "it is damaged, restore a backup: " : "", why.message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path, RandomSource& random) {
  auto canonical = CanonicalPath(path);
  if (!canonical.ok()) return CannotOpen(path, canonical.status());
  auto lock = LockFile::Acquire(*canonical + ".lock");
  if (!lock.ok()) return CannotOpen(path, lock.status());
  if (auto status = PrepareFile(*canonical); !status.ok()) return CannotOpen(path, status);
  auto writer = OpenWriter(*canonical, random);
  if (!writer.ok()) return CannotOpen(path, writer.status());
  auto readers = OpenReaders(*canonical);
  if (!readers.ok()) return CannotOpen(path, readers.status());
  return std::unique_ptr<Database>(new Database(*std::move(lock), *std::move(writer), *std::move(readers)));
}

absl::Status Database::RunWrite(WorkRef work) {
  const auto timed = Timed(statistics_.writes);
  MutexLock lock(writer_mutex_);
  if (!lost_.ok()) return lost_;
  Connection& writer = *writer_;
  const absl::Status status = CatchSqlite([&]() -> absl::Status {
    SQLite::Transaction transaction(writer.database(), SQLite::TransactionBehavior::IMMEDIATE);
    if (auto done = work(writer); !done.ok()) return done;
    transaction.commit();
    return absl::OkStatus();
  });
  if (absl::IsDataLoss(status)) lost_ = status;
  return status;
}

absl::Status Database::RunRead(WorkRef work) {
  const auto timed = Timed(statistics_.reads);
  std::unique_ptr<Connection> reader;
  {
    MutexLock lock(readers_mutex_);
    while (idle_readers_.empty()) reader_idle_.Wait(readers_mutex_);
    reader = std::move(idle_readers_.back());
    idle_readers_.pop_back();
  }
  absl::Status status = CatchSqlite([&] { return work(*reader); });
  {
    MutexLock lock(readers_mutex_);
    idle_readers_.push_back(std::move(reader));
  }
  reader_idle_.NotifyOne();
  return status;
}

}  // namespace watchword
