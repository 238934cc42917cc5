#include "server/store_sqlite/revocation_log.h"

#include <algorithm>

#include "server/store/sql_records.h"

namespace watchword {
absl::Status AppendRevocation(Connection& connection, RevocationRecord& revocation) {
  {
    Query next(connection, Sql::kNextSeq);
    if (!next.Next()) return absl::DataLossError("the sequencer of the revocation log is missing");
    revocation.seq = static_cast<uint64_t>(next.Int());
  }
  Query insert(connection, Sql::kInsertRevocation);
  BindRevocation(insert, revocation);
  insert.Run();
  return absl::OkStatus();
}

absl::StatusOr<RevocationLog::Head> SqliteRevocationLog::GetHead() {
  return database_.Read([this](Connection& connection) -> absl::StatusOr<Head> {
    Query find(connection, Sql::kFindHead);
    if (!find.Next()) return absl::DataLossError("the sequencer of the revocation log is missing");
    Head head;
    head.epoch = epoch();
    head.seq = static_cast<uint64_t>(find.Int());
    head.compacted_seq = static_cast<uint64_t>(find.Int());
    return head;
  });
}

absl::StatusOr<std::vector<RevocationRecord>> SqliteRevocationLog::ReadAfter(uint64_t seq, size_t limit) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<std::vector<RevocationRecord>> {
    Query read(connection, Sql::kReadRevocationsAfter);
    read.BindInt(SignedSeq(seq)).BindInt(static_cast<int64_t>(limit));
    std::vector<RevocationRecord> revocations;
    while (read.Next()) revocations.push_back(ReadRevocation(read));
    return revocations;
  });
}

absl::StatusOr<size_t> SqliteRevocationLog::DeleteExpired(absl::Time expired_before, size_t limit) {
  return database_.Write([&](Connection& connection) -> absl::StatusOr<size_t> {
    size_t deleted = 0;
    int64_t newest = 0;
    {
      Query expired(connection, Sql::kDeleteExpiredRevocations);
      expired.BindTime(expired_before).BindInt(static_cast<int64_t>(limit));
      for (; expired.Next(); ++deleted) newest = std::max(newest, expired.Int());
    }
    if (deleted > 0) Query(connection, Sql::kMoveCompactedSeq).BindInt(newest).Run();
    return deleted;
  });
}

absl::StatusOr<bool> SqliteRevocationLog::BeginEpoch(absl::string_view old_epoch, absl::string_view new_epoch) {
  MutexLock lock(mutex_);
  if (epoch_ != old_epoch) return false;
  epoch_ = std::string(new_epoch);
  return true;
}

std::string SqliteRevocationLog::epoch() const {
  MutexLock lock(mutex_);
  return epoch_;
}

}  // namespace watchword
