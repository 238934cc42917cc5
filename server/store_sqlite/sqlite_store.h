#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/store.h"
#include "watchword/base/random.h"

namespace watchword {

// Opens the store in the SQLite database `path`, making it if it is not there. One process at a time: a lock file
// beside it (PATH.lock) keeps a second one out. WAL, synchronous=FULL: what a function has answered OK survives a power
// cut.
//
// FAILED_PRECONDITION, with one line that says what to do, if another process has it, the folder cannot be written, the
// file is no Watchword database or of a newer release, or is damaged. UNAVAILABLE if the disk is full or fails. Nothing
// is overwritten then. Reads the whole file, to find damage before it spreads. Borrows nothing.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path, RandomSource& random);

}  // namespace watchword
