#pragma once

#include <string>
#include <vector>

#include "server/store/store.h"
#include "server/store_mysql/database.h"

namespace watchword::mysql {

// Borrows the database. Thread-safe.
class MysqlKeyStore final : public KeyStore {
 public:
  explicit MysqlKeyStore(Database& database) : database_(database) {}

  absl::StatusOr<std::vector<SigningKeyRecord>> ListKeys() override;
  absl::StatusOr<bool> AddFirstKey(const SigningKeyRecord& key) override;
  absl::StatusOr<std::string> FindSecret(absl::string_view name) override;
  absl::StatusOr<bool> AddSecret(absl::string_view name, absl::string_view sealed) override;

 private:
  Database& database_;
};

}  // namespace watchword::mysql
