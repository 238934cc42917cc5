#include "server/store_sqlite/revocation_log.h"

#include <algorithm>
#include <limits>

namespace watchword {
namespace {

RevocationRecord ReadRevocation(Query& row) {
  RevocationRecord revocation;
  revocation.seq = static_cast<uint64_t>(row.Int());
  revocation.kind = static_cast<RevocationKind>(row.Int());
  revocation.target = row.Id();
  revocation.key_id = row.Bytes();
  revocation.began_until = row.Time();
  revocation.created_at = row.Time();
  revocation.expires_at = row.Time();
  return revocation;
}

// Cursors come from verifiers and may be any number; SQLite's integers are signed.
int64_t Signed(uint64_t seq) {
  return static_cast<int64_t>(std::min(seq, static_cast<uint64_t>(std::numeric_limits<int64_t>::max())));
}

}  // namespace

absl::Status AppendRevocation(Connection& connection, RevocationRecord& revocation) {
  {
    Query next(connection, Sql::kNextSeq);
    if (!next.Next()) return absl::DataLossError("the sequencer of the revocation log is missing");
    revocation.seq = static_cast<uint64_t>(next.Int());
  }
  Query(connection, Sql::kInsertRevocation)
      .BindInt(Signed(revocation.seq))
      .BindInt(static_cast<int64_t>(revocation.kind))
      .BindId(revocation.target)
      .BindText(revocation.key_id)
      .BindTime(revocation.began_until)
      .BindTime(revocation.created_at)
      .BindTime(revocation.expires_at)
      .Run();
  return absl::OkStatus();
}

absl::StatusOr<RevocationLog::Head> SqliteRevocationLog::GetHead() {
  return database_.Read([this](Connection& connection) -> absl::StatusOr<Head> {
    Query find(connection, Sql::kFindHead);
    if (!find.Next()) return absl::DataLossError("the sequencer of the revocation log is missing");
    Head head;
    head.epoch = epoch_;
    head.seq = static_cast<uint64_t>(find.Int());
    head.compacted_seq = static_cast<uint64_t>(find.Int());
    return head;
  });
}

absl::StatusOr<std::vector<RevocationRecord>> SqliteRevocationLog::ReadAfter(uint64_t seq, size_t limit) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<std::vector<RevocationRecord>> {
    Query read(connection, Sql::kReadRevocationsAfter);
    read.BindInt(Signed(seq)).BindInt(static_cast<int64_t>(limit));
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

}  // namespace watchword
