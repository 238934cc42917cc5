#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/statistics.h"
#include "server/store_sqlite/connection.h"
#include "server/store_sqlite/lock_file.h"
#include "watchword/base/mutex.h"
#include "watchword/base/random.h"

namespace watchword {

// The open database: one connection that writes and a few that read, each used by one thread at a time. Thread-safe.
//
// Writers queue on a mutex rather than on SQLite's lock, where they would sleep and poll. Readers see the last commit
// and wait for no writer (WAL).
class Database {
 public:
  // See OpenSqliteStore.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path, RandomSource& random);

  // Runs `work(Connection&)`, which returns an absl::Status or absl::StatusOr, in one transaction: committed, and on
  // the disk, if this returns OK; rolled back otherwise. Errors are those of `work` and CatchSqlite. After DATA_LOSS
  // nothing is written any more, until a restart has checked the file.
  template <typename Work>
  std::invoke_result_t<Work, Connection&> Write(const Work& work) {
    return Run(work, &Database::RunWrite);
  }

  const StoreStatistics& statistics() const { return statistics_; }

  // Runs `work` on a connection that cannot write.
  template <typename Work>
  std::invoke_result_t<Work, Connection&> Read(const Work& work) {
    return Run(work, &Database::RunRead);
  }

 private:
  using WorkRef = absl::FunctionRef<absl::Status(Connection&)>;

  Database(LockFile lock, std::unique_ptr<Connection> writer, std::vector<std::unique_ptr<Connection>> readers)
      : lock_(std::move(lock)), idle_readers_(std::move(readers)), writer_(std::move(writer)) {}

  template <typename Work>
  std::invoke_result_t<Work, Connection&> Run(const Work& work, absl::Status (Database::*run)(WorkRef)) {
    std::invoke_result_t<Work, Connection&> result = absl::UnknownError("not run");
    const absl::Status status = (this->*run)([&](Connection& connection) {
      result = work(connection);
      return absl::Status(StatusOf(result));
    });
    if (!status.ok()) return status;
    return result;
  }
  static const absl::Status& StatusOf(const absl::Status& status) { return status; }
  template <typename T>
  static const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
    return result.status();
  }

  absl::Status RunWrite(WorkRef work);
  absl::Status RunRead(WorkRef work);

  StoreStatistics statistics_;
  const LockFile lock_;  // released last

  Mutex readers_mutex_;
  CondVar reader_idle_;
  std::vector<std::unique_ptr<Connection>> idle_readers_ ABSL_GUARDED_BY(readers_mutex_);

  Mutex writer_mutex_;
  const std::unique_ptr<Connection> writer_ ABSL_PT_GUARDED_BY(writer_mutex_);
  absl::Status lost_ ABSL_GUARDED_BY(writer_mutex_);  // not OK once a write has met DATA_LOSS
};

}  // namespace watchword
