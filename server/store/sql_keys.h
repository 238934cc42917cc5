#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/store/records.h"
#include "server/store/sql_records.h"

namespace watchword {

// The changes in the life of a signing key, within a transaction in which nobody else changes keys. For the SQL stores,
// with their Query and Sql; what they throw comes through.
template <typename Query, typename Sql, typename Connection>
class SqlKeys {
 public:
  explicit SqlKeys(Connection& connection) : connection_(connection) {}

  std::optional<SigningKeyState> StateOf(absl::string_view key_id) {
    Query find(connection_, Sql::kFindKeyState);
    if (!find.BindText(key_id).Next()) return std::nullopt;
    return static_cast<SigningKeyState>(find.Int());
  }

  bool Publish(const SigningKeyRecord& key, absl::string_view active) {
    if (HasPublished() || StateOf(active) != SigningKeyState::kActive) return false;
    Insert(key, SigningKeyState::kPublished);
    return true;
  }

  bool Activate(absl::string_view key_id, absl::string_view active, absl::Time now) {
    if (StateOf(key_id) != SigningKeyState::kPublished || StateOf(active) != SigningKeyState::kActive) return false;
    SetState(active, SigningKeyState::kRetired, now);
    SetState(key_id, SigningKeyState::kActive, now);
    return true;
  }

  bool DeleteRetired(absl::string_view key_id) {
    if (StateOf(key_id) != SigningKeyState::kRetired) return false;
    Query(connection_, Sql::kDeleteKey).BindText(key_id).Run();
    return true;
  }

  // Deletes a key that there is. Whether it was the active one, so that `replacement` is now.
  bool Replace(absl::string_view key_id, SigningKeyState state, const SigningKeyRecord& replacement) {
    Query(connection_, Sql::kDeleteKey).BindText(key_id).Run();
    if (state != SigningKeyState::kActive) return false;
    Query(connection_, Sql::kDeleteKeysInState).BindInt(static_cast<int64_t>(SigningKeyState::kPublished)).Run();
    Insert(replacement, SigningKeyState::kActive);
    return true;
  }

 private:
  bool HasPublished() {
    Query find(connection_, Sql::kHasKeyInState);
    return find.BindInt(static_cast<int64_t>(SigningKeyState::kPublished)).Next();
  }

  void Insert(SigningKeyRecord key, SigningKeyState state) {
    key.state = state;
    Query insert(connection_, Sql::kInsertKey);
    BindKey(insert, key);
    insert.Run();
  }

  void SetState(absl::string_view key_id, SigningKeyState state, absl::Time now) {
    Query set(connection_, Sql::kSetKeyState);
    set.BindInt(static_cast<int64_t>(state)).BindTime(now).BindText(key_id).Run();
  }

  Connection& connection_;
};

// The entry of the log for a key.
inline RevocationRecord KeyRevocation(absl::string_view key_id, absl::Time now, absl::Time expires_at) {
  RevocationRecord revocation;
  revocation.kind = RevocationKind::kKey;
  revocation.key_id = std::string(key_id);
  revocation.began_until = absl::UnixEpoch();
  revocation.created_at = now;
  revocation.expires_at = expires_at;
  return revocation;
}

}  // namespace watchword
