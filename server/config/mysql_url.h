#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store_mysql/mysql_store.h"

namespace watchword {

// Where a database is: "mysql://USER@HOST[:PORT][,HOST2[:PORT2]…]/DATABASE", or
// "mysql://USER@localhost/DATABASE?socket=PATH" for a Unix socket. An IPv6 address stands in brackets. INVALID_ARGUMENT
// otherwise, also if it holds a password; the message says what would be right, for a sentence that begins with the
// setting's name and value.
absl::StatusOr<MysqlOptions> ParseMysqlUrl(absl::string_view url);

}  // namespace watchword
