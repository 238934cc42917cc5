#pragma once

#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "server/store/store.h"
#include "server/store_mysql/database.h"

namespace watchword::mysql {

// All of these run in the transaction of `connection` and throw sql::SQLException.

// Gives the revocations the next seqs and appends them: both are committed together, and the sequencer stays locked
// until then, so commit order is seq order and nobody sees a gap. Call it last in a transaction: others wait for that
// lock. At most kMaxRows.
absl::Status AppendRevocations(Connection& connection, absl::Span<RevocationRecord> revocations);

// SessionStore::RevokeAll of a principal whose row is locked.
absl::StatusOr<RevocationRecord> EndAllSessions(Connection& connection, const PrincipalRecord& principal,
                                                absl::Time now, absl::Time revocation_expires_at);

// Whether a lost transaction that appended this entry, if it came that far, was committed: the entry if so. Waits for
// the end of that transaction.
absl::StatusOr<std::optional<RevocationRecord>> FindAppended(Connection& connection,
                                                             const std::optional<RevocationRecord>& appended);

// Borrows the database. Thread-safe.
class MysqlRevocationLog final : public RevocationLog {
 public:
  explicit MysqlRevocationLog(Database& database) : database_(database) {}

  absl::StatusOr<Head> GetHead() override;
  absl::StatusOr<std::vector<RevocationRecord>> ReadAfter(uint64_t seq, size_t limit) override;
  absl::StatusOr<size_t> DeleteExpired(absl::Time expired_before, size_t limit) override;
  absl::StatusOr<bool> BeginEpoch(absl::string_view old_epoch, absl::string_view new_epoch) override;

 private:
  Database& database_;
};

}  // namespace watchword::mysql
