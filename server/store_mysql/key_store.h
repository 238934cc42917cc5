#pragma once

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "server/store/store.h"
#include "server/store_mysql/database.h"

namespace watchword::mysql {

// Borrows the database. Thread-safe.
class MysqlKeyStore final : public KeyStore {
 public:
  explicit MysqlKeyStore(Database& database) : database_(database) {}

  absl::StatusOr<std::vector<SigningKeyRecord>> ListKeys() override;
  absl::StatusOr<bool> AddFirstKey(const SigningKeyRecord& key) override;
  absl::StatusOr<bool> PublishKey(const SigningKeyRecord& key, absl::string_view active) override;
  absl::StatusOr<bool> ActivateKey(absl::string_view key_id, absl::string_view active, absl::Time now) override;
  absl::StatusOr<bool> DeleteRetiredKey(absl::string_view key_id) override;
  absl::StatusOr<RevokedKey> RevokeKey(absl::string_view key_id, const SigningKeyRecord& replacement, absl::Time now,
                                       absl::Time revocation_expires_at) override;
  absl::StatusOr<bool> ReplaceSealedKey(absl::string_view key_id, absl::string_view old_sealed,
                                        absl::string_view new_sealed) override;
  absl::StatusOr<bool> ReplaceSecret(absl::string_view name, absl::string_view old_sealed,
                                     absl::string_view new_sealed) override;
  absl::StatusOr<std::string> FindSecret(absl::string_view name) override;
  absl::StatusOr<bool> AddSecret(absl::string_view name, absl::string_view sealed) override;

 private:
  absl::StatusOr<bool> Change(absl::FunctionRef<bool(Connection&)> change,
                              absl::FunctionRef<bool(Connection&)> is_done);

  Database& database_;
};

}  // namespace watchword::mysql
