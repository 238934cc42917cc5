#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace watchword::mysql {

// What is to be done about a database error. Kept beside the status, in its payload.
enum class Failure {
  kNone,
  kConflict,  // deadlock, lock wait, changed snapshot: rolled back; run the transaction again
  kLost,      // the connection is gone or unusable: whether the last statement ran is unknown
  kReadOnly,  // this server takes no writes: it is not the primary (any more)
  kOther,
};

// Runs `work`; what Connector/C++ throws becomes a status:
//   UNAVAILABLE       conflicts, lost connections, read-only servers, full disks, time-outs
//   ALREADY_EXISTS    a unique key is taken
//   INVALID_ARGUMENT  a value does not fit
//   INTERNAL          anything else, such as a table that is missing
// Messages name the error, never values.
absl::Status CatchMysql(absl::FunctionRef<absl::Status()> work);

// The failure behind a status of CatchMysql; kNone for one that is OK or not of it.
Failure FailureOf(const absl::Status& status);

}  // namespace watchword::mysql
