#include "server/store_mysql/mysql_store.h"

#include <cppconn/driver.h>
#include <mysql_driver.h>

#include <algorithm>
#include <utility>

#include "absl/functional/function_ref.h"
#include "server/store_mysql/connection.h"
#include "server/store_mysql/database.h"
#include "server/store_mysql/key_store.h"
#include "server/store_mysql/login_attempts.h"
#include "server/store_mysql/mysql_status.h"
#include "server/store_mysql/pool.h"
#include "server/store_mysql/replicas.h"
#include "server/store_mysql/revocation_log.h"
#include "server/store_mysql/schema.h"
#include "server/store_mysql/session_store.h"
#include "server/store_mysql/user_store.h"

namespace watchword {
namespace mysql {
namespace {

// Thread-safe.
class MysqlStore final : public Store {
 public:
  MysqlStore(const MysqlOptions& options, const Clock& clock, RandomSource& random, Logger& log)
      : options_(options), pool_(options_, clock, log), database_(pool_, clock, random) {}

  UserStore& users() override { return users_; }
  SessionStore& sessions() override { return sessions_; }
  RevocationLog& revocations() override { return revocations_; }
  KeyStore& keys() override { return keys_; }
  LoginAttempts& login_attempts() override { return login_attempts_; }
  Replicas* replicas() override { return &replicas_; }

  const StoreStatistics* statistics() const override { return &database_.statistics(); }
  std::optional<PoolState> pool() const override { return pool_.state(); }

  // Whether the server takes writes is what is asked for with the head of the log.
  absl::Status Ping() override { return revocations_.GetHead().status(); }

 private:
  const MysqlOptions options_;
  ConnectionPool pool_;
  Database database_;
  MysqlUserStore users_{database_};
  MysqlSessionStore sessions_{database_};
  MysqlRevocationLog revocations_{database_};
  MysqlKeyStore keys_{database_};
  MysqlLoginAttempts login_attempts_{database_};
  MysqlReplicas replicas_{database_};
};

// Runs `work` on a connection to the first server that takes writes.
absl::Status OnPrimary(const MysqlOptions& options, Purpose purpose,
                       absl::FunctionRef<absl::Status(Connection&)> work) {
  absl::Status status = absl::FailedPreconditionError("no database server is configured");
  for (size_t host = 0; host < std::max<size_t>(options.hosts.size(), 1); ++host) {
    auto connection = Connection::Open(options, host, purpose);
    status = connection.status();
    if (connection.ok()) return CatchMysql([&] { return work(**connection); });
    if (!absl::IsUnavailable(status)) break;
  }
  return status;
}

}  // namespace
}  // namespace mysql

absl::StatusOr<std::unique_ptr<Store>> OpenMysqlStore(const MysqlOptions& options, const Clock& clock,
                                                      RandomSource& random, Logger& log) {
  const absl::Status usable = mysql::OnPrimary(options, mysql::Purpose::kUse, [&](mysql::Connection& connection) {
    absl::Status status = mysql::CheckServer(connection, options.allow_lossy_commits);
    return status.ok() ? mysql::CheckSchema(connection) : status;
  });
  if (!usable.ok()) return usable;
  return std::make_unique<mysql::MysqlStore>(options, clock, random, log);
}

absl::Status MigrateMysql(const MysqlOptions& options, const Clock& clock, RandomSource& random) {
  return mysql::OnPrimary(options, mysql::Purpose::kMigrate, [&](mysql::Connection& connection) {
    absl::Status status = mysql::CheckServer(connection, options.allow_lossy_commits);
    return status.ok() ? mysql::Migrate(connection, clock, random) : status;
  });
}

}  // namespace watchword
