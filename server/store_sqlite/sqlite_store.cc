#include "server/store_sqlite/sqlite_store.h"

#include <array>
#include <utility>

#include "server/store_sqlite/database.h"
#include "server/store_sqlite/key_store.h"
#include "server/store_sqlite/login_attempts.h"
#include "server/store_sqlite/revocation_log.h"
#include "server/store_sqlite/session_store.h"
#include "server/store_sqlite/user_store.h"

namespace watchword {
namespace {

// Thread-safe.
class SqliteStore final : public Store {
 public:
  SqliteStore(std::unique_ptr<Database> database, std::string epoch)
      : database_(std::move(database)), revocations_(*database_, std::move(epoch)) {}

  UserStore& users() override { return users_; }
  SessionStore& sessions() override { return sessions_; }
  RevocationLog& revocations() override { return revocations_; }
  KeyStore& keys() override { return keys_; }
  LoginAttempts& login_attempts() override { return login_attempts_; }

  const StoreStatistics* statistics() const override { return &database_->statistics(); }

  // Begins a write transaction and ends it, without writing.
  absl::Status Ping() override {
    return database_->Write([](Connection&) { return absl::OkStatus(); });
  }

 private:
  const std::unique_ptr<Database> database_;
  SqliteUserStore users_{*database_};
  SqliteSessionStore sessions_{*database_};
  SqliteRevocationLog revocations_;
  SqliteKeyStore keys_{*database_};
  SqliteLoginAttempts login_attempts_{*database_};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path, RandomSource& random) {
  auto database = Database::Open(path, random);
  if (!database.ok()) return database.status();
  std::array<uint8_t, 16> epoch;
  if (auto status = random.Fill(absl::MakeSpan(epoch)); !status.ok()) return status;
  return std::make_unique<SqliteStore>(*std::move(database),
                                       std::string(reinterpret_cast<const char*>(epoch.data()), epoch.size()));
}

}  // namespace watchword
