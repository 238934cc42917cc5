#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "watchword/base/mutex.h"
#include "watchword/base/uuid.h"
#include "watchword/token/credential.h"

namespace watchword {

// An entry of the revocation log.
struct Revocation {
  struct Session {
    Uuid id;
  };
  struct Principal {  // all its sessions that began at or before `began_until`
    Uuid id;
    absl::Time began_until;
  };
  struct Key {
    std::string id;
  };

  uint64_t seq = 0;
  std::variant<Session, Principal, Key> target;
  absl::Time expires_at;  // when everything it can revoke has expired anyway
};

// How long an entry is kept beyond its `expires_at`: a verifier's clock may be that far off, and tokens are accepted
// until that much after their `exp`. The largest leeway a TokenVerifier takes.
inline constexpr absl::Duration kRevocationMargin = absl::Seconds(120);

// The revocations in force, in memory. Answers for each call whether a credential was revoked, so it is split into
// shards that are locked apart. Adding an entry twice changes nothing, and nothing is ever un-revoked before it
// expires.
//
// Thread-safe.
class RevocationSet {
 public:
  // Adds an entry; one that has expired at `now`, by more than kRevocationMargin, is ignored.
  void Add(const Revocation& revocation, absl::Time now);

  // Whether the credential's session, principal or key is revoked.
  bool IsRevoked(const VerifiedCredential& credential) const;

  // Forgets what has expired at `now`, by more than kRevocationMargin.
  void DropExpired(absl::Time now);

  // Calls `visit` for each entry, its `seq` 0, a shard at a time, under its lock.
  void ForEach(absl::FunctionRef<void(const Revocation&)> visit) const;

  // How many entries are held.
  size_t size() const;

  // Grows with every Add: lets those who judged credentials before see cheaply that they have to do so again.
  uint64_t changes() const { return changes_.load(std::memory_order_acquire); }

 private:
  static constexpr size_t kShards = 64;

  // When an entry expires, in seconds since 1970, rounded up. An absl::Time would make ten million entries too large.
  using ExpirySeconds = uint32_t;

  // Two revocations of one principal are merged into one that covers both.
  struct PrincipalEntry {
    absl::Time began_until;
    ExpirySeconds expires_at;
  };
  struct Shard {
    mutable Mutex mutex;
    absl::flat_hash_map<Uuid, ExpirySeconds> sessions ABSL_GUARDED_BY(mutex);
    absl::flat_hash_map<Uuid, PrincipalEntry> principals ABSL_GUARDED_BY(mutex);
  };

  void AddTarget(const Revocation::Session& session, ExpirySeconds expires_at);
  void AddTarget(const Revocation::Principal& principal, ExpirySeconds expires_at);
  void AddTarget(const Revocation::Key& key, ExpirySeconds expires_at);
  bool IsSessionRevoked(const Uuid& session) const;
  bool IsPrincipalRevoked(const Uuid& principal, absl::Time session_began) const;
  bool IsKeyRevoked(absl::string_view key_id) const;
  // By the last byte, which is random in a version 7 UUID.
  static size_t ShardOf(const Uuid& id) { return static_cast<uint8_t>(id.bytes().back()) % kShards; }

  std::array<Shard, kShards> shards_;
  // How many principals each shard has. Many calls are of one principal, and would meet at the lock of its shard.
  std::array<std::atomic<size_t>, kShards> principal_counts_{};
  mutable Mutex keys_mutex_;
  absl::flat_hash_map<std::string, ExpirySeconds> keys_ ABSL_GUARDED_BY(keys_mutex_);
  std::atomic<size_t> key_count_{0};  // so that the usual case, none, takes no lock
  std::atomic<uint64_t> changes_{0};
};

}  // namespace watchword
