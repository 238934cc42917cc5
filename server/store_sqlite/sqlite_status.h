#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace watchword {

// Runs `work`, which uses SQLite, and returns its status. This is the one place where SQLite's exceptions are caught:
//   UNAVAILABLE      the disk is full or fails, or somebody else holds a lock: later it may work
//   DATA_LOSS        the database is damaged, or the disk could not say that it kept what was written
//   ALREADY_EXISTS   a key is taken
//   INVALID_ARGUMENT a value breaks a rule of the schema
//   INTERNAL         anything else: a defect
absl::Status CatchSqlite(absl::FunctionRef<absl::Status()> work);

}  // namespace watchword
