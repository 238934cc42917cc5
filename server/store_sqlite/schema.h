#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/store_sqlite/connection.h"
#include "watchword/base/random.h"

namespace watchword {

// Size of the header of a database file (https://www.sqlite.org/fileformat.html).
inline constexpr size_t kFileHeaderSize = 100;

// Whether a file that begins with `header` (empty for a new file) may be opened: FAILED_PRECONDITION if it is no SQLite
// database, another program's, or of a newer release. To ask before SQLite sees the file, for SQLite would roll back a
// journal or replay a log that is not ours.
absl::Status CheckHeader(absl::string_view header);

// Brings an empty database, or one of an older release, to this release's schema, in one transaction. The migrations
// that were applied must be the ones this release knows. FAILED_PRECONDITION if not, or if the schema is newer. Throws
// SQLite::Exception.
absl::Status Migrate(Connection& connection, RandomSource& random);

}  // namespace watchword
