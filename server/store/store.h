#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/store/records.h"
#include "server/store/statistics.h"
#include "watchword/base/uuid.h"

namespace watchword {

// The stores: one interface per concern, one contract test suite for every implementation (tests/contract).
//
// All functions block; call them from the store executor only. All are thread-safe. Beside the errors that each one
// names, each may return
//   UNAVAILABLE        the store cannot tell right now. A write has then not happened, unless the connection was lost
//                      while it was committed and what became of it could not be found out in time; each may be tried
//                      again without harm;
//   DATA_LOSS          the database is damaged, or its disk lost a write or may have: for an operator, not to be
//                      retried;
//   INVALID_ARGUMENT   a value is not what records.h allows, such as a name of 256 bytes: nothing is cut off.
// Each write is one transaction, durable when the function returns OK. A store that waits for a network gives up at
// CurrentDeadline() (base/deadline.h).

// What one transaction appended to the revocation log.
struct RevokeOutcome {
  bool newly_revoked = false;   // false if it was ended before; then nothing was appended
  RevocationRecord revocation;  // the entry, if newly_revoked
};

class UserStore {
 public:
  virtual ~UserStore() = default;

  // ALREADY_EXISTS if the name or id is taken.
  virtual absl::Status Create(const PrincipalRecord& principal) = 0;

  // NOT_FOUND if there is none.
  virtual absl::StatusOr<PrincipalRecord> FindByName(absl::string_view name) = 0;
  virtual absl::StatusOr<PrincipalRecord> Find(const Uuid& id) = 0;

  // The principals with a name greater than `after`, in the byte order of names, at most `limit`.
  virtual absl::StatusOr<std::vector<PrincipalRecord>> List(absl::string_view after, size_t limit) = 0;

  // Sets the hash and ends all sessions of the principal (see SessionStore::RevokeAll), in one transaction. NOT_FOUND.
  // With `if_version`, only if the principal's credential_version still is that one, else FAILED_PRECONDITION.
  virtual absl::StatusOr<RevocationRecord> SetPassword(const Uuid& id, absl::string_view password_hash, absl::Time now,
                                                       absl::Time revocation_expires_at,
                                                       std::optional<int64_t> if_version = std::nullopt) = 0;

  // Replaces the hash if it is still `old_hash`, and nothing else: for raising the cost of a hash. Whether it did.
  virtual absl::StatusOr<bool> ReplaceHash(const Uuid& id, absl::string_view old_hash, absl::string_view new_hash) = 0;

  // Disabling ends all sessions of the principal, in the same transaction; if it is disabled already, nothing happens
  // and nothing is appended. Enabling appends nothing. NOT_FOUND.
  virtual absl::StatusOr<RevokeOutcome> SetDisabled(const Uuid& id, bool disabled, absl::Time now,
                                                    absl::Time revocation_expires_at) = 0;
};

class SessionStore {
 public:
  virtual ~SessionStore() = default;

  // Begins a session, if the account is still as it was when its password was checked: FAILED_PRECONDITION if it is
  // gone, disabled, or its credential_version is another. ABORTED if created_at is not after the principal's
  // sessions_revoked_until: take a later time and try again. ALREADY_EXISTS if the id or token digest is taken.
  virtual absl::Status Create(const SessionRecord& session, int64_t credential_version) = 0;

  // NOT_FOUND if there is none.
  virtual absl::StatusOr<SessionView> Find(const Uuid& id) = 0;
  virtual absl::StatusOr<SessionView> FindByTokenDigest(absl::string_view digest) = 0;

  // Moves the session from `generation` to the next, with rotated_at and last_used_at = `now`, if nobody did before and
  // the session is live at `now`: not ended, its account not disabled, not expired, not idle. Whether it did: one
  // conditional UPDATE decides, so of any number that race exactly one wins.
  virtual absl::StatusOr<bool> Rotate(const Uuid& id, int64_t generation, absl::Time now,
                                      absl::Time idle_expires_at) = 0;

  // Ends a session and appends that to the revocation log, in one transaction. The entry is kept until
  // `revocation_expires_at` or, if the session has a session token, until the session's own end if that is later.
  // NOT_FOUND.
  virtual absl::StatusOr<RevokeOutcome> Revoke(const Uuid& id, absl::Time now, absl::Time revocation_expires_at) = 0;

  // Ends all sessions of a principal, by one entry in the log: sets sessions_revoked_until to the later of `now` and
  // the newest session's created_at, rounded up to a millisecond (clocks of replicas may differ). The entry is kept
  // until `revocation_expires_at` or the end of the principal's last session token, if that is later. NOT_FOUND.
  virtual absl::StatusOr<RevocationRecord> RevokeAll(const Uuid& principal, absl::Time now,
                                                     absl::Time revocation_expires_at) = 0;

  struct Activity {
    Uuid id;
    absl::Time last_used_at;
    absl::Time idle_expires_at;
  };
  // Notes that sessions were used; never moves a time backwards nor beyond a session's end, ignores sessions that are
  // gone.
  virtual absl::Status NoteActivity(absl::Span<const Activity> activities) = 0;

  // The principal's sessions that are live at `now` (see Rotate), newest first; those older than `before`, a session
  // id, unless that is nil. At most `limit`.
  virtual absl::StatusOr<std::vector<SessionRecord>> ListLive(const Uuid& principal, absl::Time now, const Uuid& before,
                                                              size_t limit) = 0;

  // Deletes at most `limit` sessions that expired, idle or for good, before `expired_before`. How many it deleted.
  virtual absl::StatusOr<size_t> DeleteExpired(absl::Time expired_before, size_t limit) = 0;
};

// The totally ordered, gap-free list of revocations. Entries are appended by the other stores, each in the
// transaction that makes it true; a reader that sees `seq` N has seen all below N.
class RevocationLog {
 public:
  virtual ~RevocationLog() = default;

  struct Head {
    std::string epoch;           // 16 bytes; another one if entries may have been lost, as by putting back a backup
    uint64_t seq = 0;            // of the last entry; 0 before the first
    uint64_t compacted_seq = 0;  // entries up to this one may have been deleted
  };
  virtual absl::StatusOr<Head> GetHead() = 0;

  // The entries with a greater `seq`, in order, at most `limit`; those that were deleted are missing.
  virtual absl::StatusOr<std::vector<RevocationRecord>> ReadAfter(uint64_t seq, size_t limit) = 0;

  // Deletes at most `limit` entries that expired before `expired_before`, and moves compacted_seq along. How many.
  virtual absl::StatusOr<size_t> DeleteExpired(absl::Time expired_before, size_t limit) = 0;

  // Begins another epoch, if it is still `old_epoch`: for whoever sees that entries which verifiers may know are gone.
  // Whether it did. Both have 16 bytes.
  virtual absl::StatusOr<bool> BeginEpoch(absl::string_view old_epoch, absl::string_view new_epoch) = 0;
};

// What is remembered of logins that failed, under keys of 32 bytes.
class LoginAttempts {
 public:
  virtual ~LoginAttempts() = default;

  static constexpr size_t kMaxKeys = 4;  // at once, each another one

  // The records under `keys`, in their order; one with nothing in it where there is none.
  virtual absl::StatusOr<std::vector<LoginAttemptsRecord>> Find(absl::Span<const std::string> keys) = 0;

  // Reads these records, has `change` alter them, and keeps them as they are then. Of any number that want to change
  // the same record, one after the other does. `change` may be called several times, for what was rolled back; if the
  // connection was lost while it was committed, it may be applied twice.
  using Change = absl::FunctionRef<void(absl::Span<LoginAttemptsRecord>)>;
  virtual absl::Status Update(absl::Span<const std::string> keys, Change change) = 0;

  // Deletes at most `limit` records that expired before `expired_before`. How many it deleted.
  virtual absl::StatusOr<size_t> DeleteExpired(absl::Time expired_before, size_t limit) = 0;
};

class KeyStore {
 public:
  virtual ~KeyStore() = default;

  // Newest first.
  virtual absl::StatusOr<std::vector<SigningKeyRecord>> ListKeys() = 0;

  // Adds the first signing key. Whether it did: false if there was a key already.
  virtual absl::StatusOr<bool> AddFirstKey(const SigningKeyRecord& key) = 0;

  // The life of a key. Each change has a condition and says whether it was made, so that of servers which do the same
  // at the same time one does it. `active` is the id of the key that the caller takes for the active one.

  // Adds `key` as published, if there is no published key and `active` is active.
  virtual absl::StatusOr<bool> PublishKey(const SigningKeyRecord& key, absl::string_view active) = 0;

  // Makes the published key active and `active` retired, at `now`, if they are what they are taken for.
  virtual absl::StatusOr<bool> ActivateKey(absl::string_view key_id, absl::string_view active, absl::Time now) = 0;

  // Deletes a key, if it is retired.
  virtual absl::StatusOr<bool> DeleteRetiredKey(absl::string_view key_id) = 0;

  struct RevokedKey {
    RevocationRecord revocation;
    bool replaced = false;  // it was the active one; `replacement` is active now
  };
  // Deletes a key and appends to the revocation log that all it has signed is revoked, in one transaction. If it is the
  // active one, `replacement` is added as active, and a published key is deleted too: whoever got at one has both.
  // NOT_FOUND.
  virtual absl::StatusOr<RevokedKey> RevokeKey(absl::string_view key_id, const SigningKeyRecord& replacement,
                                               absl::Time now, absl::Time revocation_expires_at) = 0;

  // Replace what is sealed, if it still is `old_sealed`: for another key-encryption key. Whether it did.
  virtual absl::StatusOr<bool> ReplaceSealedKey(absl::string_view key_id, absl::string_view old_sealed,
                                                absl::string_view new_sealed) = 0;
  virtual absl::StatusOr<bool> ReplaceSecret(absl::string_view name, absl::string_view old_sealed,
                                             absl::string_view new_sealed) = 0;

  // A sealed secret of the server by its name, such as the key that refresh tokens are derived from. NOT_FOUND.
  virtual absl::StatusOr<std::string> FindSecret(absl::string_view name) = 0;

  // Adds a secret. Whether it did: false if there was one already.
  virtual absl::StatusOr<bool> AddSecret(absl::string_view name, absl::string_view sealed) = 0;
};

// What servers that share a store tell each other through it. Ages are by the database's clock: those of the servers
// may differ.
class Replicas {
 public:
  virtual ~Replicas() = default;

  // Replaces what `replica` has to tell the others, at most 1 MiB.
  virtual absl::Status Report(const Uuid& replica, absl::string_view report) = 0;

  struct Peer {
    Uuid replica;
    std::string report;
    absl::Duration age;  // of the report
  };
  // What the others have told, unless it is older than `max_age`: that is deleted.
  virtual absl::StatusOr<std::vector<Peer>> Peers(const Uuid& replica, absl::Duration max_age) = 0;

  // Takes the lease `name` for `duration`, or prolongs it, unless another replica has it. Whether `replica` has it now.
  // Work done under it must bear being done by two at once: a replica may be stopped for longer than its lease.
  virtual absl::StatusOr<bool> AcquireLease(absl::string_view name, const Uuid& replica, absl::Duration duration) = 0;
};

// A database that implements them all.
class Store {
 public:
  virtual ~Store() = default;
  virtual UserStore& users() = 0;
  virtual SessionStore& sessions() = 0;
  virtual RevocationLog& revocations() = 0;
  virtual KeyStore& keys() = 0;
  virtual LoginAttempts& login_attempts() = 0;
  // Null if only one server can use the store.
  virtual Replicas* replicas() { return nullptr; }

  // What is known of its calls, for metrics. Null and nothing if it does not measure, or has no pool.
  virtual const StoreStatistics* statistics() const { return nullptr; }
  virtual std::optional<PoolState> pool() const { return std::nullopt; }

  // OK if the store answers and can write. For readiness.
  virtual absl::Status Ping() = 0;
};

}  // namespace watchword
