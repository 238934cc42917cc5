#include "server/store_sqlite/sqlite_status.h"

#include <SQLiteCpp/Exception.h>
#include <sqlite3.h>

#include "absl/strings/str_cat.h"

namespace watchword {
namespace {

absl::StatusCode CodeOfConstraint(int extended) {
  switch (extended) {
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_UNIQUE:
      return absl::StatusCode::kAlreadyExists;
    case SQLITE_CONSTRAINT_CHECK:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::StatusCode CodeOfIoError(int extended) {
  // After a failed fsync the kernel may have dropped the pages and forgotten the error: the next fsync would succeed
  // with the data gone. So this must not be tried again as if nothing were lost.
  const bool sync = extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC;
  return sync ? absl::StatusCode::kDataLoss : absl::StatusCode::kUnavailable;
}

absl::StatusCode CodeOf(int extended) {
  switch (extended & 0xff) {
    case SQLITE_CONSTRAINT:
      return CodeOfConstraint(extended);
    case SQLITE_IOERR:
      return CodeOfIoError(extended);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_FULL:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL:
    case SQLITE_READONLY:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status CatchSqlite(absl::FunctionRef<absl::Status()> work) {
  try {
    return work();
  } catch (const SQLite::Exception& e) {
    // SQLite's messages name tables and columns, never values.
    return absl::Status(CodeOf(e.getExtendedErrorCode()),
                        absl::StrCat("SQLite: ", e.what(), " (code ", e.getExtendedErrorCode(), ")"));
  }
}

}  // namespace watchword
