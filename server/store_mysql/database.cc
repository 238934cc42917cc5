#include "server/store_mysql/database.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/types/span.h"
#include "server/store_mysql/mysql_status.h"
#include "watchword/base/deadline.h"

namespace watchword::mysql {
namespace {

// For work that nobody waits for, and as a bound on how long a thread can be kept.
constexpr absl::Duration kMaxTime = absl::Seconds(10);
constexpr int kMaxTries = 4;  // a transaction is run again three times
constexpr absl::Duration kFirstPause = absl::Milliseconds(5);

bool MayTryAgain(const absl::Status& status) {
  return FailureOf(status) != Failure::kOther && absl::IsUnavailable(status);
}

}  // namespace

absl::Time Database::Deadline() const { return std::min(CurrentDeadline(), clock_.Now() + kMaxTime); }

bool Database::Pause(int tries, absl::Time deadline) {
  if (tries >= kMaxTries) return false;
  // Full jitter: those who have collided do not meet again.
  uint8_t chance = 0;
  if (!random_.Fill(absl::MakeSpan(&chance, 1)).ok()) return false;
  const absl::Duration pause = kFirstPause * (1 << tries) * (chance / 255.0);
  if (clock_.Now() + pause >= deadline) return false;
  absl::SleepFor(pause);
  return true;
}

absl::Status Database::RunRead(WorkRef work) {
  const auto timed = Timed(statistics_.reads);
  const absl::Time deadline = Deadline();
  for (int tries = 1;; ++tries) {
    absl::StatusOr<ConnectionPool::Lease> lease = pool_.Acquire(deadline);
    if (!lease.ok()) return lease.status();
    absl::Status status = CatchMysql([&] { return work(**lease); });
    const Failure failure = FailureOf(status);
    if (failure == Failure::kLost || failure == Failure::kReadOnly) lease->Discard(failure);
    if (failure == Failure::kNone || failure == Failure::kOther || !Pause(tries, deadline)) return status;
  }
}

absl::Status Database::RunWrite(Write how, WorkRef work, FindOutRef find_out) {
  const auto timed = Timed(statistics_.writes);
  const absl::Time deadline = Deadline();
  bool may_come_late = false;  // a statement that was lost on its way
  for (int tries = 1;; ++tries) {
    Reached reached = Reached::kNothing;
    absl::Status status = Try(how, work, deadline, reached);
    const Failure failure = FailureOf(status);
    const bool came_late = may_come_late && absl::IsAlreadyExists(status);
    if (!came_late && (failure == Failure::kNone || failure == Failure::kOther)) return status;
    if (came_late || (failure == Failure::kLost && reached == Reached::kCommit)) {
      const absl::StatusOr<bool> committed = Settle(find_out, deadline);
      if (!committed.ok()) {
        return absl::UnavailableError(
            absl::StrCat("the connection to the database was lost during a commit, and what "
                         "became of it could not be found out: ",
                         committed.status().message()));
      }
      if (*committed) return absl::OkStatus();
      if (came_late) return status;  // it is somebody else's
      may_come_late = true;
    }
    if (!Pause(tries, deadline)) return status;
  }
}

absl::Status Database::Try(Write how, WorkRef work, absl::Time deadline, Reached& reached) {
  absl::StatusOr<ConnectionPool::Lease> lease = pool_.Acquire(deadline);
  if (!lease.ok()) return lease.status();
  Connection& connection = **lease;
  const absl::Status status = CatchMysql([&]() -> absl::Status {
    if (how == Write::kOneStatement) {
      reached = Reached::kCommit;  // the statement is its own commit
      return work(connection);
    }
    reached = Reached::kStatement;
    connection.Execute("START TRANSACTION");
    if (absl::Status done = work(connection); !done.ok()) {
      connection.Execute("ROLLBACK");
      return done;
    }
    reached = Reached::kCommit;
    connection.Execute("COMMIT");
    return absl::OkStatus();
  });
  const Failure failure = FailureOf(status);
  // A statement that fails leaves its transaction open, and a lost connection cannot be told to roll back.
  if (failure == Failure::kLost || failure == Failure::kReadOnly) {
    lease->Discard(failure);
  } else if (failure != Failure::kNone && how == Write::kTransaction) {
    const absl::Status rolled_back = CatchMysql([&] {
      connection.Execute("ROLLBACK");
      return absl::OkStatus();
    });
    if (!rolled_back.ok()) lease->Discard(Failure::kLost);
  }
  return status;
}

// Whatever a lost statement may still do after this, when the server reads it late from its socket, does no harm:
// single statements have conditions that then do not hold any more, or keys that are taken. If it comes before the next
// try, that one is in its way, which RunWrite sees to.
absl::StatusOr<bool> Database::Settle(FindOutRef find_out, absl::Time deadline) {
  for (int tries = 1;; ++tries) {
    bool committed = false;
    Reached reached = Reached::kNothing;
    const absl::Status status = Try(
        Write::kTransaction,
        [&](Connection& connection) -> absl::Status {
          absl::StatusOr<bool> found = find_out(connection);
          if (found.ok()) committed = *found;
          return found.status();
        },
        deadline, reached);
    if (status.ok()) return committed;
    if (!MayTryAgain(status) || !Pause(tries, deadline)) return status;
  }
}

}  // namespace watchword::mysql
