#pragma once

#include <vector>

#include "server/store/store.h"
#include "server/store_sqlite/database.h"

namespace watchword {

// Gives `revocation` the next seq and appends it, in the transaction of `connection`: seq and entry are committed
// together, so commit order is seq order and nobody sees a gap. Throws SQLite::Exception.
absl::Status AppendRevocation(Connection& connection, RevocationRecord& revocation);

// Borrows the database. Thread-safe.
class SqliteRevocationLog final : public RevocationLog {
 public:
  explicit SqliteRevocationLog(Database& database) : database_(database) {}

  absl::StatusOr<Head> GetHead() override;
  absl::StatusOr<std::vector<RevocationRecord>> ReadAfter(uint64_t seq, size_t limit) override;
  absl::StatusOr<size_t> DeleteExpired(absl::Time expired_before, size_t limit) override;

 private:
  Database& database_;
};

}  // namespace watchword
