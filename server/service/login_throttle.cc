#include "server/service/login_throttle.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "server/crypto/hmac.h"
#include "server/service/errors.h"
#include "watchword/base/reason.h"
#include "watchword/base/retry.h"

namespace watchword {
namespace {

// One write a day is enough to know a source.
constexpr absl::Duration kKnowAgainAfter = absl::Hours(24);

// What one attempt is judged by.
struct Counters {
  LoginAttemptsRecord& account;  // the account's, for strangers or for all sources that it knows
  LoginAttemptsRecord& pair;     // the account's from this source
  LoginAttemptsRecord& source;   // the source's
};

bool IsKnown(const LoginAttemptsRecord& pair, absl::Time now) { return pair.known_until > now; }

void ForgetOldFailures(LoginAttemptsRecord& record, absl::Time now) {
  if (now >= record.failed_at + kForgetAccountAfter) record.failures = 0;
}

void Count(LoginAttemptsRecord& record, absl::Time now) {
  ++record.failures;
  record.failed_at = now;
}

void Forgive(LoginAttemptsRecord& record) {
  record.failures = 0;
  record.blocked_until = absl::UnixEpoch();
}

void SetExpiry(Counters& counters, absl::Time now) {
  for (LoginAttemptsRecord* each : {&counters.account, &counters.pair}) {
    each->expires_at = std::max({now, each->blocked_until, each->known_until, each->failed_at + kForgetAccountAfter});
  }
  counters.source.expires_at =
      std::max(counters.source.blocked_until, now + counters.source.failures * kForgetSourceFailure);
}

bool HasNothingToChange(const Counters& counters, absl::Time now) {
  return counters.account.failures == 0 && counters.pair.failures == 0 &&
         counters.pair.known_until > now + kKnowSourceFor - kKnowAgainAfter && counters.source.blocked_until <= now;
}

void NoteSuccess(Counters& counters, absl::Time now) {
  Forgive(counters.account);
  Forgive(counters.pair);
  counters.pair.known_until = now + kKnowSourceFor;
}

// Whether the failure blocks the account for the first time, or for the longest.
bool NoteFailure(Counters& counters, bool known, const ThrottleLimits& limits, absl::Time now) {
  Count(counters.account, now);
  if (!known) {
    counters.account.blocked_until = now + BlockOfAccount(counters.account.failures, limits);
    return counters.account.failures == limits.account_free_failures ||
           counters.account.failures == kMostAccountFailures;
  }
  Count(counters.pair, now);
  counters.pair.blocked_until = now + BlockOfAccount(counters.pair.failures, limits);
  counters.account.blocked_until = now + BlockOfKnownSources(counters.account.failures);
  return counters.pair.failures == limits.account_free_failures || counters.account.failures == kMostAccountFailures;
}

// Nothing is told if the source is blocked. Changes the counters as the answer has it.
std::optional<LoginThrottle::Answer> Decide(Counters& counters, bool known, bool right, const ThrottleLimits& limits,
                                            absl::Time now) {
  ForgetOldFailures(counters.account, now);
  ForgetOldFailures(counters.pair, now);
  ForgetSourceFailures(counters.source.failures, counters.source.failed_at, now);
  if (counters.source.blocked_until > now) {
    ++counters.source.refused;
    return std::nullopt;
  }
  const bool locked = counters.account.blocked_until > now || (known && counters.pair.blocked_until > now);
  if (right && !locked) {
    NoteSuccess(counters, now);
    return LoginThrottle::Answer::kRight;
  }
  counters.source.blocked_until = now + BlockOfSource(++counters.source.failures, limits);
  if (locked) {
    ++counters.account.refused;
    return LoginThrottle::Answer::kLocked;
  }
  return NoteFailure(counters, known, limits, now) ? LoginThrottle::Answer::kLocking : LoginThrottle::Answer::kWrong;
}

}  // namespace

absl::Status LoginThrottle::Admit(absl::string_view source) {
  if (limits_.source_free_failures == 0) return absl::OkStatus();
  const std::string key = KeyOf(Kind::kSource, "", source);
  const auto found = attempts_.Find(absl::MakeConstSpan(&key, 1));
  if (!found.ok()) return StoreFailed(found.status());
  const absl::Time now = clock_.Now();
  if (found->front().blocked_until <= now) return absl::OkStatus();
  return Blocked(source, found->front().blocked_until - now);
}

absl::StatusOr<LoginThrottle::Answer> LoginThrottle::Settle(const Attempt& attempt, bool right) {
  const std::string strangers = KeyOf(Kind::kStrangers, attempt.account, "");
  const std::string known_sources = KeyOf(Kind::kKnownSources, attempt.account, "");
  const std::string pair = KeyOf(Kind::kFromSource, attempt.account, attempt.source);
  const std::string source = KeyOf(Kind::kSource, "", attempt.source);

  absl::Time now = clock_.Now();
  auto found = attempts_.Find({strangers, known_sources, pair, source});
  if (!found.ok()) return StoreFailed(found.status());
  const bool known = IsKnown((*found)[2], now);
  if (right && HasNothingToChange({(*found)[known ? 1 : 0], (*found)[2], (*found)[3]}, now)) return Answer::kRight;

  std::optional<Answer> answer;
  absl::Time blocked_until;
  const absl::Status counted =
      attempts_.Update({known ? known_sources : strangers, pair, source}, [&](absl::Span<LoginAttemptsRecord> records) {
        now = clock_.Now();
        Counters counters{records[0], records[1], records[2]};
        answer = Decide(counters, known, right, limits_, now);
        SetExpiry(counters, now);
        blocked_until = counters.source.blocked_until;
      });
  if (!counted.ok()) return StoreFailed(counted);
  if (!answer.has_value()) return Blocked(attempt.source, blocked_until - now);
  if (*answer == Answer::kLocked) refused_for_account_.Add();
  if (blocked_until > now) {
    log_.Warning("a source is blocked for failed logins; if it logs others in, have it send their client_address",
                 {{"source", attempt.source}, {"until", absl::FormatTime(blocked_until, absl::UTCTimeZone())}});
  }
  return *answer;
}

absl::Status LoginThrottle::Forget(absl::string_view account) {
  return StoreFailed(attempts_.Update({KeyOf(Kind::kStrangers, account, ""), KeyOf(Kind::kKnownSources, account, "")},
                                      [](absl::Span<LoginAttemptsRecord> records) {
                                        for (LoginAttemptsRecord& record : records) Forgive(record);
                                      }));
}

std::string LoginThrottle::KeyOf(Kind kind, absl::string_view account, absl::string_view source) const {
  return HmacSha256(key_, absl::StrCat("login attempts ", std::string(1, static_cast<char>(kind)), account.size(), ":",
                                       account, source));
}

absl::Status LoginThrottle::Blocked(absl::string_view source, absl::Duration wait) {
  refused_for_source_.Add();
  log_.Debug("a source has to wait before it may log in", {{"source", std::string(source)}});
  const absl::Duration rounded = absl::Ceil(wait, absl::Seconds(1));
  return WithRetryDelay(
      ErrorWithReason(absl::StatusCode::kResourceExhausted, kLoginThrottled,
                      absl::StrFormat("too many logins from this address have failed; try again in %d s",
                                      absl::ToInt64Seconds(rounded))),
      rounded);
}

}  // namespace watchword
