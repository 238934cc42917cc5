#pragma once

#include <string>
#include <vector>

#include "server/store/store.h"
#include "server/store_mysql/database.h"

namespace watchword::mysql {

// Borrows the database. Thread-safe.
class MysqlLoginAttempts final : public LoginAttempts {
 public:
  explicit MysqlLoginAttempts(Database& database) : database_(database) {}

  absl::StatusOr<std::vector<LoginAttemptsRecord>> Find(absl::Span<const std::string> keys) override;
  absl::Status Update(absl::Span<const std::string> keys, Change change) override;
  absl::StatusOr<size_t> DeleteExpired(absl::Time expired_before, size_t limit) override;

 private:
  Database& database_;
};

}  // namespace watchword::mysql
