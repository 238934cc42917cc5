#pragma once

#include <vector>

#include "server/store/store.h"
#include "server/store_mysql/database.h"
#include "server/store_mysql/group_revoker.h"

namespace watchword::mysql {

// Borrows the database. Thread-safe.
class MysqlSessionStore final : public SessionStore {
 public:
  explicit MysqlSessionStore(Database& database) : database_(database), revoker_(database) {}

  absl::Status Create(const SessionRecord& session, int64_t credential_version) override;
  absl::StatusOr<SessionView> Find(const Uuid& id) override;
  absl::StatusOr<SessionView> FindByTokenDigest(absl::string_view digest) override;
  absl::StatusOr<bool> Rotate(const Uuid& id, int64_t generation, absl::Time now, absl::Time idle_expires_at) override;
  absl::StatusOr<RevokeOutcome> Revoke(const Uuid& id, absl::Time now, absl::Time revocation_expires_at) override;
  absl::StatusOr<RevocationRecord> RevokeAll(const Uuid& principal, absl::Time now,
                                             absl::Time revocation_expires_at) override;
  absl::Status NoteActivity(absl::Span<const Activity> activities) override;
  absl::StatusOr<std::vector<SessionRecord>> ListLive(const Uuid& principal, absl::Time now, const Uuid& before,
                                                      size_t limit) override;
  absl::StatusOr<size_t> DeleteExpired(absl::Time expired_before, size_t limit) override;

 private:
  Database& database_;
  GroupRevoker revoker_;
};

}  // namespace watchword::mysql
