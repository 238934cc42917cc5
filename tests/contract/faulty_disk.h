#pragma once

#include <sqlite3.h>

namespace watchword {

// While it lives, what SQLite opens lies on a disk that fails when told to. One at a time; outlives what was opened.
// The faults may be changed from any thread.
class FaultyDisk {
 public:
  FaultyDisk();
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  // From now on, after `good_writes` more, each write fails with `code`, such as SQLITE_FULL.
  void FailWrites(int code, int good_writes = 0);
  // From now on each fsync fails with `code`, such as SQLITE_IOERR_FSYNC.
  void FailSyncs(int code);
  void Heal();

 private:
  sqlite3_vfs vfs_;
};

}  // namespace watchword
