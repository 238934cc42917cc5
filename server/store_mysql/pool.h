#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/statistics.h"
#include "server/store_mysql/connection.h"
#include "server/store_mysql/mysql_status.h"
#include "server/store_mysql/mysql_store.h"
#include "watchword/base/clock.h"
#include "watchword/base/log.h"
#include "watchword/base/mutex.h"

namespace watchword::mysql {

// The open connections to the primary. Bounded; connects when needed, two at a time at most, so that a database that
// comes back is not met by all at once. A connection that anybody has reason to doubt is asked before it is used again,
// or dropped. While the database cannot be reached, whoever needs it is refused at once, but for one try a moment.
//
// Thread-safe.
class ConnectionPool {
 private:
  struct Pooled {
    std::unique_ptr<Connection> connection;
    absl::Duration opened_at;
    absl::Duration idle_since;
    uint64_t generation = 0;
  };

 public:
  // The use of one connection, which goes back into the pool in the end.
  class Lease {
   public:
    Lease(Lease&& other) noexcept : pool_(other.pool_), pooled_(std::move(other.pooled_)) { other.pool_ = nullptr; }
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Connection& operator*() const { return *pooled_.connection; }
    // It is not to be used again, because of `failure`: what else is idle may be lost as well, or lead to the same
    // server that is not the primary any more.
    void Discard(Failure failure);

   private:
    friend class ConnectionPool;
    Lease(ConnectionPool& pool, Pooled pooled) : pool_(&pool), pooled_(std::move(pooled)) {}
    ConnectionPool* pool_;
    Pooled pooled_;
  };

  // Borrows all, which must outlive this.
  ConnectionPool(const MysqlOptions& options, const Clock& clock, Logger& log);

  // A connection to a server that takes writes, as far as is known; waits for one until `deadline`. UNAVAILABLE if none
  // can be had, FAILED_PRECONDITION as Connection::Open.
  absl::StatusOr<Lease> Acquire(absl::Time deadline);

  // Open connections, in use or idle.
  size_t open() const;
  PoolState state() const;

 private:
  using Opened = absl::StatusOr<std::unique_ptr<Connection>>;

  // Waits for an idle connection, or for the right to open one: then `taken` has none.
  absl::Status Take(absl::Time deadline, Pooled& taken);
  // One try; whether it has worked. What is too old goes to `dropped`, to be closed without the lock.
  absl::StatusOr<bool> TryTake(Pooled& taken, std::vector<Pooled>& dropped) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether it has been idle for so long, or since before something went wrong, that it may be dead.
  bool IsDoubtful(const Pooled& pooled) const;
  absl::Status Connect(Pooled& pooled);
  Opened ConnectToPrimary();
  void Return(Pooled pooled);
  void Note(Failure failure, uint64_t generation);

  const MysqlOptions& options_;
  const Clock& clock_;
  Logger& log_;
  mutable Mutex mutex_;
  CondVar returned_;
  std::vector<Pooled> idle_ ABSL_GUARDED_BY(mutex_);  // the last used is last
  size_t open_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t connecting_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;                             // those of an older one are dropped
  size_t host_ ABSL_GUARDED_BY(mutex_) = 0;                                     // that was the primary last
  absl::Duration lost_at_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();  // when one was, last
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);  // of the last try to connect, at `failed_at_` if it has failed
  absl::Duration failed_at_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
};

}  // namespace watchword::mysql
