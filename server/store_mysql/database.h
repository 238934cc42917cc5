#pragma once

#include <optional>
#include <type_traits>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/statistics.h"
#include "server/store_mysql/pool.h"
#include "watchword/base/clock.h"
#include "watchword/base/random.h"

namespace watchword::mysql {

// Runs reads and writes on connections of the pool, and decides what an error means: what may be tried again is, until
// CurrentDeadline() or kMaxTime, and a write whose outcome is unknown is looked up before anybody is answered.
//
// Work must bear being run several times: it may only read, or write what is rolled back or has a condition that holds
// once. Thread-safe.
class Database {
 public:
  // How a write is sent. One statement commits itself, which saves two round trips.
  enum class Write { kOneStatement, kTransaction };

  // Borrows all, which must outlive this.
  Database(ConnectionPool& pool, const Clock& clock, RandomSource& random)
      : pool_(pool), clock_(clock), random_(random) {}

  // Runs `work(Connection&)`, which returns an absl::Status or absl::StatusOr and reads by one statement: one round
  // trip.
  template <typename Work>
  std::invoke_result_t<Work, Connection&> Read(const Work& work) {
    std::invoke_result_t<Work, Connection&> result = absl::UnknownError("not run");
    const absl::Status status = RunRead([&](Connection& connection) {
      result = work(connection);
      return StatusOf(result);
    });
    if (!status.ok()) return status;
    return result;
  }

  // Runs `work` and commits it if it returns OK. If the connection is lost when it may have been committed,
  // `find_out(Connection&)` says what became of it, in a transaction of its own: absl::StatusOr<std::optional<T>>, the
  // result of `work` if it was committed, else nothing; for work that returns an absl::Status absl::StatusOr<bool>,
  // whether it was. If it was not, the whole work is done again. It must read with FOR UPDATE a row that `work`
  // changes, and so wait until the server is done with the lost transaction.
  template <typename Work, typename FindOut>
  std::invoke_result_t<Work, Connection&> Run(Write how, const Work& work, const FindOut& find_out) {
    using Result = std::invoke_result_t<Work, Connection&>;
    Result result = absl::UnknownError("not run");
    const absl::Status status = RunWrite(
        how,
        [&](Connection& connection) {
          result = work(connection);
          return StatusOf(result);
        },
        [&](Connection& connection) -> absl::StatusOr<bool> {
          auto found = find_out(connection);
          if (!found.ok()) return found.status();
          if constexpr (std::is_same_v<Result, absl::Status>) {
            static_assert(std::is_same_v<decltype(found), absl::StatusOr<bool>>);
            if (*found) result = absl::OkStatus();
            return found;
          } else {
            if (!found->has_value()) return false;
            result = **std::move(found);
            return true;
          }
        });
    if (!status.ok()) return status;
    return result;
  }

  // For single statements that may be done twice without harm and with the same result: never asks.
  template <typename Work>
  std::invoke_result_t<Work, Connection&> RunAgain(const Work& work) {
    std::invoke_result_t<Work, Connection&> result = absl::UnknownError("not run");
    const absl::Status status = RunWrite(
        Write::kOneStatement,
        [&](Connection& connection) {
          result = work(connection);
          return StatusOf(result);
        },
        [](Connection&) -> absl::StatusOr<bool> { return false; });
    if (!status.ok()) return status;
    return result;
  }

  const StoreStatistics& statistics() const { return statistics_; }

 private:
  using WorkRef = absl::FunctionRef<absl::Status(Connection&)>;
  using FindOutRef = absl::FunctionRef<absl::StatusOr<bool>(Connection&)>;
  // Where a write was when it failed.
  enum class Reached { kNothing, kStatement, kCommit };

  static absl::Status StatusOf(const absl::Status& status) { return status; }
  template <typename T>
  static absl::Status StatusOf(const absl::StatusOr<T>& result) {
    return result.status();
  }

  absl::Status RunRead(WorkRef work);
  absl::Status RunWrite(Write how, WorkRef work, FindOutRef find_out);
  // One try, on one connection.
  absl::Status Try(Write how, WorkRef work, absl::Time deadline, Reached& reached);
  // Whether the write was committed.
  absl::StatusOr<bool> Settle(FindOutRef find_out, absl::Time deadline);
  absl::Time Deadline() const;
  // Waits before the next try; whether there is time for one.
  bool Pause(int tries, absl::Time deadline);

  ConnectionPool& pool_;
  const Clock& clock_;
  RandomSource& random_;
  StoreStatistics statistics_;
};

}  // namespace watchword::mysql
