#pragma once

#include <vector>

#include "server/store/store.h"
#include "server/store_mysql/database.h"

namespace watchword::mysql {

// Borrows the database. Thread-safe.
class MysqlReplicas final : public Replicas {
 public:
  explicit MysqlReplicas(Database& database) : database_(database) {}

  absl::Status Report(const Uuid& replica, absl::string_view report) override;
  absl::StatusOr<std::vector<Peer>> Peers(const Uuid& replica, absl::Duration max_age) override;
  absl::StatusOr<bool> AcquireLease(absl::string_view name, const Uuid& replica, absl::Duration duration) override;

 private:
  Database& database_;
};

}  // namespace watchword::mysql
