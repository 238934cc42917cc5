#include "server/store_mysql/pool.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace watchword::mysql {
namespace {

constexpr size_t kMaxConnecting = 2;
// Long enough to keep statements prepared, short enough that servers behind one name share the load again.
constexpr absl::Duration kMaxAge = absl::Minutes(10);
// Firewalls forget idle connections without a word.
constexpr absl::Duration kAskAfterIdle = absl::Seconds(30);
constexpr absl::Duration kPauseAfterFailure = absl::Milliseconds(250);

}  // namespace

ConnectionPool::Lease::~Lease() {
  if (pool_ != nullptr) pool_->Return(std::move(pooled_));
}

void ConnectionPool::Lease::Discard(Failure failure) {
  pooled_.connection.reset();
  pool_->Note(failure, pooled_.generation);
}

ConnectionPool::ConnectionPool(const MysqlOptions& options, const Clock& clock, Logger& log)
    : options_(options), clock_(clock), log_(log) {}

absl::StatusOr<ConnectionPool::Lease> ConnectionPool::Acquire(absl::Time deadline) {
  EnterDriver();
  while (true) {
    Pooled taken;
    if (absl::Status status = Take(deadline, taken); !status.ok()) return status;
    if (taken.connection == nullptr) {
      if (absl::Status status = Connect(taken); !status.ok()) return status;
      return Lease(*this, std::move(taken));
    }
    if (!IsDoubtful(taken) || taken.connection->Answers()) return Lease(*this, std::move(taken));
    taken.connection.reset();
    Return(std::move(taken));
  }
}

absl::Status ConnectionPool::Take(absl::Time deadline, Pooled& taken) {
  std::vector<Pooled> dropped;
  MutexLock lock(mutex_);
  while (true) {
    absl::StatusOr<bool> got = TryTake(taken, dropped);
    if (!got.ok()) return got.status();
    if (*got) return absl::OkStatus();
    const absl::Duration left = deadline - clock_.Now();
    if (left <= absl::ZeroDuration()) {
      return absl::UnavailableError(absl::StrCat("all ", options_.connections, " database connections are in use"));
    }
    ++waiting_;
    returned_.WaitFor(mutex_, std::min(left, kPauseAfterFailure));
    --waiting_;
  }
}

absl::StatusOr<bool> ConnectionPool::TryTake(Pooled& taken, std::vector<Pooled>& dropped) {
  const absl::Duration now = clock_.SinceBoot();
  while (!idle_.empty()) {
    Pooled last = std::move(idle_.back());
    idle_.pop_back();
    if (last.generation == generation_ && now - last.opened_at < kMaxAge) {
      taken = std::move(last);
      return true;
    }
    dropped.push_back(std::move(last));
    --open_;
  }
  const bool resting = now - failed_at_ < kPauseAfterFailure;
  if (resting && open_ == connecting_) return failure_;  // nobody has one to give back
  if (resting || open_ >= options_.connections || connecting_ >= kMaxConnecting) return false;
  ++open_;
  ++connecting_;
  taken = Pooled{.connection = nullptr, .opened_at = now, .idle_since = now, .generation = generation_};
  return true;
}

bool ConnectionPool::IsDoubtful(const Pooled& pooled) const {
  MutexLock lock(mutex_);
  return pooled.idle_since <= lost_at_ || clock_.SinceBoot() - pooled.idle_since > kAskAfterIdle;
}

absl::Status ConnectionPool::Connect(Pooled& pooled) {
  const absl::Duration began = clock_.SinceBoot();
  Opened opened = ConnectToPrimary();
  // A connection that was cut while it was being set up says nothing about the next; a database that is gone refuses
  // that one as fast.
  if (absl::IsUnavailable(opened.status()) && clock_.SinceBoot() - began < kPauseAfterFailure) {
    opened = ConnectToPrimary();
  }
  const absl::Status status = opened.status();
  {
    MutexLock lock(mutex_);
    --connecting_;
    if (status.ok()) {
      if (!failure_.ok()) log_.Info("the database can be reached again");
      failure_ = absl::OkStatus();
      failed_at_ = -absl::InfiniteDuration();
      pooled.connection = *std::move(opened);
    } else {
      --open_;
      if (failure_.ok()) log_.Error("cannot connect to the database", {{"error", std::string(status.message())}});
      failure_ = status;
      failed_at_ = clock_.SinceBoot();
    }
  }
  returned_.NotifyAll();
  return status;
}

ConnectionPool::Opened ConnectionPool::ConnectToPrimary() {
  size_t first = 0;
  {
    MutexLock lock(mutex_);
    first = host_;
  }
  const size_t count = std::max<size_t>(options_.hosts.size(), 1);
  Opened opened = absl::UnavailableError("no database server is configured");
  for (size_t i = 0; i < count; ++i) {
    const size_t host = (first + i) % count;
    opened = Connection::Open(options_, host, Purpose::kUse);
    if (!opened.ok()) continue;
    MutexLock lock(mutex_);
    host_ = host;
    return opened;
  }
  return opened;
}

void ConnectionPool::Note(Failure failure, uint64_t generation) {
  MutexLock lock(mutex_);
  if (failure == Failure::kLost) lost_at_ = clock_.SinceBoot();
  if (failure == Failure::kReadOnly && generation == generation_) ++generation_;
}

size_t ConnectionPool::open() const {
  MutexLock lock(mutex_);
  return open_;
}

PoolState ConnectionPool::state() const {
  MutexLock lock(mutex_);
  return {.open = open_, .idle = idle_.size(), .waiting = waiting_};
}

void ConnectionPool::Return(Pooled pooled) {
  {
    MutexLock lock(mutex_);
    pooled.idle_since = clock_.SinceBoot();
    if (pooled.connection != nullptr && pooled.generation == generation_) {
      idle_.push_back(std::move(pooled));
    } else {
      --open_;
    }
  }
  returned_.NotifyOne();
}

}  // namespace watchword::mysql
