#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/store.h"
#include "watchword/base/clock.h"
#include "watchword/base/log.h"
#include "watchword/base/random.h"

namespace watchword {

// Where a MySQL or MariaDB database is and how to get in. A plain value.
struct MysqlOptions {
  struct Host {
    std::string name;
    int port = 3306;
  };
  std::vector<Host> hosts;  // tried in this order until one takes writes; unused if `socket` is set
  std::string socket;       // of a server on this machine
  std::string user;
  std::string database;
  std::string password_file;         // read at each connect, so that the password can change; empty: no password
  std::string tls_ca;                // who signs the servers' certificates, PEM; the name is checked as well
  bool allow_plaintext = false;      // instead of TLS; a socket never has TLS
  bool allow_lossy_commits = false;  // run although a crash of the database may lose what it has acknowledged
  size_t connections = 8;            // at most
};

// Opens the store in an existing database whose schema is there (see MigrateMysql). Any number of servers may use it at
// once. What a function has answered OK survives a crash of the database, as far as the database was set up for that:
// the checks at opening refuse one that was not.
//
// UNAVAILABLE if no server can be reached or takes writes: try again. FAILED_PRECONDITION, with one line that names the
// setting and says what to do, for everything that trying again would not mend. Borrows the clock, the source of chance
// and the log, which must outlive the store.
absl::StatusOr<std::unique_ptr<Store>> OpenMysqlStore(const MysqlOptions& options, const Clock& clock,
                                                      RandomSource& random, Logger& log);

// Brings the schema to what this release needs, making it if the database is empty. Safe to run twice, by several at
// once (they wait for each other), and again after having been killed half-way. Errors are those of OpenMysqlStore.
absl::Status MigrateMysql(const MysqlOptions& options, const Clock& clock, RandomSource& random);

}  // namespace watchword
