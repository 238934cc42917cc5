#include "server/store_mysql/revocation_log.h"

#include <cppconn/exception.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/store/sql_records.h"

namespace watchword::mysql {
namespace {

constexpr int kReadOnlyError = 1290;  // what a write would be told

absl::Status NoSequencer() { return absl::DataLossError("the sequencer of the revocation log is missing"); }

absl::StatusOr<uint64_t> LockSequencer(Connection& connection) {
  Query lock(connection, Sql::kLockSequencer);
  if (!lock.Next()) return NoSequencer();
  return static_cast<uint64_t>(lock.Int());
}

// Times are kept in microseconds, and what is to be written still has the clock's nanoseconds.
bool IsSame(const RevocationRecord& a, const RevocationRecord& b) {
  return a.seq == b.seq && a.kind == b.kind && a.target == b.target &&
         absl::ToUnixMicros(a.created_at) == absl::ToUnixMicros(b.created_at);
}

absl::Time NewestSession(Connection& connection, const Uuid& principal) {
  Query newest(connection, Sql::kNewestSession);
  return newest.BindId(principal).Next() ? newest.Time() : absl::UnixEpoch();
}

// When the last session token of the principal expires; the epoch if it has none.
absl::Time LastSessionTokenEnd(Connection& connection, const Uuid& principal) {
  Query last(connection, Sql::kLastSessionTokenEnd);
  return last.BindId(principal).Next() ? last.OptionalTime().value_or(absl::UnixEpoch()) : absl::UnixEpoch();
}

}  // namespace

absl::Status AppendRevocations(Connection& connection, absl::Span<RevocationRecord> revocations) {
  if (revocations.empty()) return absl::OkStatus();
  const absl::StatusOr<uint64_t> head = LockSequencer(connection);
  if (!head.ok()) return head.status();
  uint64_t seq = *head;
  Query insert(connection, RowsSql::kInsertRevocations, revocations.size());
  for (RevocationRecord& revocation : revocations) {
    revocation.seq = ++seq;
    BindRevocation(insert, revocation);
  }
  insert.Run();
  Query(connection, Sql::kMoveSeq).BindInt(SignedSeq(seq)).Run();
  return absl::OkStatus();
}

absl::StatusOr<RevocationRecord> EndAllSessions(Connection& connection, const PrincipalRecord& principal,
                                                absl::Time now, absl::Time revocation_expires_at) {
  RevocationRecord revocation;
  revocation.kind = RevocationKind::kPrincipal;
  revocation.target = principal.id;
  revocation.began_until = std::max(principal.sessions_revoked_until,
                                    RoundUpToMillisecond(std::max(now, NewestSession(connection, principal.id))));
  revocation.created_at = now;
  revocation.expires_at = std::max(revocation_expires_at, LastSessionTokenEnd(connection, principal.id));
  Query(connection, Sql::kEndSessions).BindTime(revocation.began_until).BindId(principal.id).Run();
  if (auto status = AppendRevocations(connection, absl::MakeSpan(&revocation, 1)); !status.ok()) return status;
  return revocation;
}

absl::StatusOr<std::optional<RevocationRecord>> FindAppended(Connection& connection,
                                                             const std::optional<RevocationRecord>& appended) {
  if (const auto head = LockSequencer(connection); !head.ok()) return head.status();
  if (!appended.has_value()) return std::nullopt;
  Query find(connection, Sql::kFindRevocation);
  if (!find.BindInt(SignedSeq(appended->seq)).Next()) return std::nullopt;
  return IsSame(ReadRevocation(find), *appended) ? appended : std::nullopt;
}

absl::StatusOr<RevocationLog::Head> MysqlRevocationLog::GetHead() {
  return database_.Read([](Connection& connection) -> absl::StatusOr<Head> {
    Query find(connection, Sql::kFindHead);
    if (!find.Next()) return NoSequencer();
    Head head;
    head.seq = static_cast<uint64_t>(find.Int());
    head.compacted_seq = static_cast<uint64_t>(find.Int());
    head.epoch = find.Bytes();
    // What a server that is not the primary (any more) knows may be old: no revocation must be missed for that.
    if (const std::string read_only = find.Bytes(); read_only != "0" && read_only != "OFF") {
      throw sql::SQLException("the server takes no writes: it is not the primary", "HY000", kReadOnlyError);
    }
    return head;
  });
}

absl::StatusOr<std::vector<RevocationRecord>> MysqlRevocationLog::ReadAfter(uint64_t seq, size_t limit) {
  return database_.Read([&](Connection& connection) -> absl::StatusOr<std::vector<RevocationRecord>> {
    Query read(connection, Sql::kReadRevocationsAfter);
    read.BindInt(SignedSeq(seq)).BindInt(static_cast<int64_t>(limit));
    std::vector<RevocationRecord> revocations;
    while (read.Next()) revocations.push_back(ReadRevocation(read));
    return revocations;
  });
}

absl::StatusOr<size_t> MysqlRevocationLog::DeleteExpired(absl::Time expired_before, size_t limit) {
  std::vector<int64_t> seqs;
  const absl::Status found = database_.Read([&](Connection& connection) {
    seqs.clear();
    Query expired(connection, Sql::kExpiredRevocations);
    expired.BindTime(expired_before).BindInt(static_cast<int64_t>(limit));
    while (expired.Next()) seqs.push_back(expired.Int());
    return absl::OkStatus();
  });
  if (!found.ok()) return found;
  if (seqs.empty()) return 0;
  const int64_t newest = *std::max_element(seqs.begin(), seqs.end());
  return database_.Run(
      Database::Write::kTransaction,
      [&](Connection& connection) -> absl::StatusOr<size_t> {
        connection.Execute(absl::StrCat("DELETE FROM revocations WHERE seq IN (", absl::StrJoin(seqs, ","), ")"));
        // Last, since whoever revokes waits for this row.
        Query(connection, Sql::kMoveCompactedSeq).BindInt(newest).Run();
        return seqs.size();
      },
      // Doing it again is harmless.
      [](Connection&) -> absl::StatusOr<std::optional<size_t>> { return std::nullopt; });
}

absl::StatusOr<bool> MysqlRevocationLog::BeginEpoch(absl::string_view old_epoch, absl::string_view new_epoch) {
  return database_.Run(
      Database::Write::kOneStatement,
      [&](Connection& connection) -> absl::StatusOr<bool> {
        return Query(connection, Sql::kBeginEpoch).BindBytes(new_epoch).BindBytes(old_epoch).Run() == 1;
      },
      [&](Connection& connection) -> absl::StatusOr<std::optional<bool>> {
        if (const auto head = LockSequencer(connection); !head.ok()) return head.status();
        Query find(connection, Sql::kFindHead);
        if (!find.Next()) return NoSequencer();
        find.Int();
        find.Int();
        if (find.Bytes() != new_epoch) return std::nullopt;
        return true;
      });
}

}  // namespace watchword::mysql
