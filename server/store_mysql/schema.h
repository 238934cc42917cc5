#pragma once

#include "absl/status/status.h"
#include "server/store_mysql/connection.h"
#include "watchword/base/clock.h"
#include "watchword/base/random.h"

namespace watchword::mysql {

// MigrateMysql on an open connection of Purpose::kMigrate. Throws sql::SQLException.
absl::Status Migrate(Connection& connection, const Clock& clock, RandomSource& random);

// Whether the schema is one that this release can work with: FAILED_PRECONDITION if it is not there, older, newer and
// not declared compatible, not made by our migrations, or not in InnoDB tables. Throws sql::SQLException.
absl::Status CheckSchema(Connection& connection);

// Whether the server keeps what it has acknowledged, as far as its settings say: FAILED_PRECONDITION that names the
// first setting that is wrong. Throws sql::SQLException.
absl::Status CheckServer(Connection& connection, bool allow_lossy_commits);

}  // namespace watchword::mysql
