#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "server/store_mysql/mysql_store.h"

namespace watchword {

// An empty database of a MariaDB server that only tests use (tests/testing/mariadb.py; ctest starts it and says where
// in $WATCHWORD_TEST_MARIADB), dropped in the end.
class MariaDbDatabase {
 public:
  // Ends the program if there is no server.
  MariaDbDatabase();
  ~MariaDbDatabase();
  MariaDbDatabase(const MariaDbDatabase&) = delete;
  MariaDbDatabase& operator=(const MariaDbDatabase&) = delete;

  const std::string& name() const { return name_; }
  // How to open it: as root, on the socket.
  MysqlOptions options() const;

  // Runs statements as root; the output. Ends the program if that fails.
  std::string Sql(absl::string_view statements) const;

 private:
  std::string name_;
};

}  // namespace watchword
