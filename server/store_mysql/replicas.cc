#include "server/store_mysql/replicas.h"

#include <algorithm>
#include <utility>

namespace watchword::mysql {

absl::Status MysqlReplicas::Report(const Uuid& replica, absl::string_view report) {
  return database_.RunAgain([&](Connection& connection) -> absl::Status {
    Query(connection, Sql::kReport).BindId(replica).BindBytes(report).Run();
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<Replicas::Peer>> MysqlReplicas::Peers(const Uuid& replica, absl::Duration max_age) {
  bool too_old = false;
  auto peers = database_.Read([&](Connection& connection) -> absl::StatusOr<std::vector<Peer>> {
    Query find(connection, Sql::kPeers);
    find.BindId(replica);
    std::vector<Peer> found;
    too_old = false;
    while (find.Next()) {
      Peer peer;
      peer.replica = find.Id();
      peer.report = find.Bytes();
      peer.age = absl::Microseconds(std::max<int64_t>(find.Int(), 0));
      if (peer.age > max_age) {
        too_old = true;
      } else {
        found.push_back(std::move(peer));
      }
    }
    return found;
  });
  if (!peers.ok() || !too_old) return peers;
  const absl::Status deleted = database_.RunAgain([&](Connection& connection) -> absl::Status {
    Query(connection, Sql::kDeleteOldReports).BindInt(absl::ToInt64Microseconds(max_age)).Run();
    return absl::OkStatus();
  });
  if (!deleted.ok()) return deleted;
  return peers;
}

absl::StatusOr<bool> MysqlReplicas::AcquireLease(absl::string_view name, const Uuid& replica, absl::Duration duration) {
  const absl::Status taken = database_.RunAgain([&](Connection& connection) -> absl::Status {
    Query take(connection, Sql::kTakeLease);
    take.BindText(name).BindId(replica).BindInt(absl::ToInt64Microseconds(duration)).Run();
    return absl::OkStatus();
  });
  if (!taken.ok()) return taken;
  return database_.Read([&](Connection& connection) -> absl::StatusOr<bool> {
    Query find(connection, Sql::kFindLease);
    return find.BindText(name).Next() && find.Id() == replica;
  });
}

}  // namespace watchword::mysql
