#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/store/store.h"
#include "server/store_mysql/database.h"

namespace watchword::mysql {

// Borrows the database. Thread-safe.
class MysqlUserStore final : public UserStore {
 public:
  explicit MysqlUserStore(Database& database) : database_(database) {}

  absl::Status Create(const PrincipalRecord& principal) override;
  absl::StatusOr<PrincipalRecord> FindByName(absl::string_view name) override;
  absl::StatusOr<PrincipalRecord> Find(const Uuid& id) override;
  absl::StatusOr<std::vector<PrincipalRecord>> List(absl::string_view after, size_t limit) override;
  absl::StatusOr<RevocationRecord> SetPassword(const Uuid& id, absl::string_view password_hash, absl::Time now,
                                               absl::Time revocation_expires_at,
                                               std::optional<int64_t> if_version) override;
  absl::StatusOr<bool> ReplaceHash(const Uuid& id, absl::string_view old_hash, absl::string_view new_hash) override;
  absl::StatusOr<RevokeOutcome> SetDisabled(const Uuid& id, bool disabled, absl::Time now,
                                            absl::Time revocation_expires_at) override;

 private:
  Database& database_;
};

}  // namespace watchword::mysql
