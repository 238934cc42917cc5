#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/domain/throttle_rules.h"
#include "server/store/store.h"
#include "watchword/base/clock.h"
#include "watchword/base/log.h"
#include "watchword/base/secret.h"
#include "watchword/base/sharded_counter.h"

namespace watchword {

// Decides which verdicts on passwords are given away, by the rules of domain/throttle_rules.h. The counters lie in the
// store, so that they are those of all servers that share it; a verdict is made within the transaction that counts it,
// so that of any number of guesses that come at once no more are answered than of guesses that come one by one, and a
// right password is never refused for others that are still being looked at.
//
// A source that an account has logged in from before has a budget of its own for that account: whoever fails on purpose
// shuts out nobody but strangers. An account that is blocked, and one that does not exist, is answered like a wrong
// password, after the same work; only a source is told that it has to wait.
//
// What is stored are keyed digests: what people type for a name is a password often enough.
//
// Thread-safe. All functions block: for the store executor.
class LoginThrottle {
 public:
  struct Attempt {
    std::string account;  // the canonical name, whether there is such an account or not
    std::string source;   // as base/source_address.h writes it
  };

  // Borrows all, which must outlive this.
  LoginThrottle(LoginAttempts& attempts, const Secret& key, const ThrottleLimits& limits, const Clock& clock,
                Logger& log)
      : attempts_(attempts), key_(key), limits_(limits), clock_(clock), log_(log) {}

  // Whether a source may try at all now. RESOURCE_EXHAUSTED (LOGIN_THROTTLED) with the time it has to wait, or the
  // store's error.
  absl::Status Admit(absl::string_view source);

  enum class Answer {
    kRight,
    kWrong,
    kLocked,   // whether it is right is not to be told
    kLocking,  // it is wrong, and the last one that was answered
  };
  // The answer to an attempt whose password is `right`. RESOURCE_EXHAUSTED (LOGIN_THROTTLED) if its source has been
  // blocked meanwhile, or the store's error: nothing is to be told then either.
  absl::StatusOr<Answer> Settle(const Attempt& attempt, bool right);

  // Forgets the failures of an account, as when its password was set.
  absl::Status Forget(absl::string_view account);

  // How many attempts were not answered because their account, or their source, was blocked.
  uint64_t refused_for_account() const { return refused_for_account_.Value(); }
  uint64_t refused_for_source() const { return refused_for_source_.Value(); }

 private:
  enum class Kind : char { kStrangers = 'a', kKnownSources = 'k', kFromSource = 'p', kSource = 's' };

  std::string KeyOf(Kind kind, absl::string_view account, absl::string_view source) const;
  absl::Status Blocked(absl::string_view source, absl::Duration wait);

  LoginAttempts& attempts_;
  const Secret& key_;
  const ThrottleLimits limits_;
  const Clock& clock_;
  Logger& log_;
  ShardedCounter refused_for_account_;
  ShardedCounter refused_for_source_;
};

}  // namespace watchword
