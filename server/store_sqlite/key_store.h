#pragma once

#include <string>
#include <vector>

#include "server/store/store.h"
#include "server/store_sqlite/database.h"

namespace watchword {

// Borrows the database. Thread-safe.
class SqliteKeyStore final : public KeyStore {
 public:
  explicit SqliteKeyStore(Database& database) : database_(database) {}

  absl::StatusOr<std::vector<SigningKeyRecord>> ListKeys() override;
  absl::StatusOr<bool> AddFirstKey(const SigningKeyRecord& key) override;
  absl::StatusOr<std::string> FindSecret(absl::string_view name) override;
  absl::StatusOr<bool> AddSecret(absl::string_view name, absl::string_view sealed) override;

 private:
  Database& database_;
};

}  // namespace watchword
