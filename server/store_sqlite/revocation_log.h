#pragma once

#include <string>
#include <utility>

#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/store/store.h"
#include "server/store_sqlite/database.h"
#include "watchword/base/mutex.h"

namespace watchword {

// Gives `revocation` the next seq and appends it, in the transaction of `connection`: seq and entry are committed
// together, so commit order is seq order and nobody sees a gap. Throws SQLite::Exception.
absl::Status AppendRevocation(Connection& connection, RevocationRecord& revocation);

// Borrows the database. Thread-safe.
class SqliteRevocationLog final : public RevocationLog {
 public:
  // `epoch` is another one at each opening: the file may be a backup that was put back while the server was away, whose
  // log goes on from an older entry than verifiers know, and nothing in the file could tell.
  SqliteRevocationLog(Database& database, std::string epoch) : database_(database), epoch_(std::move(epoch)) {}

  absl::StatusOr<Head> GetHead() override;
  absl::StatusOr<std::vector<RevocationRecord>> ReadAfter(uint64_t seq, size_t limit) override;
  absl::StatusOr<size_t> DeleteExpired(absl::Time expired_before, size_t limit) override;
  absl::StatusOr<bool> BeginEpoch(absl::string_view old_epoch, absl::string_view new_epoch) override;

 private:
  std::string epoch() const;

  Database& database_;
  mutable Mutex mutex_;
  std::string epoch_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace watchword
