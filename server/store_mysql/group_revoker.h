#pragma once

#include <deque>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/store/store.h"
#include "server/store_mysql/database.h"
#include "watchword/base/mutex.h"

namespace watchword::mysql {

// SessionStore::Revoke for many at once. The sequencer is locked from the moment a transaction takes its seqs until it
// is on the disk, so one transaction for each revocation would make the disk's latency the limit of all. Those who come
// while a transaction is under way are put into the next one together.
//
// Thread-safe. Whoever finds nobody at work does the work of all who wait; the others sleep until theirs is done.
class GroupRevoker {
 public:
  // Borrows the database, which must outlive this.
  explicit GroupRevoker(Database& database) : database_(database) {}

  absl::StatusOr<RevokeOutcome> Revoke(const Uuid& id, absl::Time now, absl::Time revocation_expires_at);

 private:
  // One caller's wish, on the caller's stack.
  struct Wish {
    Uuid id;
    absl::Time now;
    absl::Time revocation_expires_at;
    absl::Time deadline;
    absl::StatusOr<RevokeOutcome> outcome = absl::UnknownError("not done");
    bool done = false;  // guarded by mutex_
  };

  // Waits until `mine` is done, or until nobody is at work: then the wishes that are next.
  std::vector<Wish*> NextGroup(const Wish& mine);
  // Does the wishes in one transaction and fills in the outcomes.
  void Fulfil(absl::Span<Wish* const> wishes);
  // The same, within the transaction of `connection`; what it has appended to the log. Throws sql::SQLException.
  static absl::Status RevokeAllOf(Connection& connection, absl::Span<Wish* const> wishes,
                                  std::vector<RevocationRecord>& appended);

  Database& database_;
  Mutex mutex_;
  CondVar done_;
  bool at_work_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Wish*> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace watchword::mysql
