#include "watchword/trust/session_directory.h"

#include <algorithm>
#include <utility>

#include "watchword/base/reason.h"
#include "watchword/token/opaque_token.h"
#include "watchword/token/reasons.h"

namespace watchword {
namespace {

absl::Status Refused(absl::string_view reason, absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, reason, message);
}

}  // namespace

SessionDirectory::SessionDirectory(Source& source, const Clock& clock, Limits limits)
    : source_(source),
      clock_(clock),
      limits_(limits),
      sessions_(limits.sessions),
      refusals_(limits.refusals),
      tickets_(limits.burst),
      tickets_at_(clock.SinceBoot()) {}

std::optional<SessionDirectory::Verdict> SessionDirectory::Find(absl::string_view token) {
  const absl::Time now = clock_.Now();
  if (const auto found = sessions_.Find(token)) {
    Entry& entry = **found;
    const absl::Time last_used = absl::FromUnixMicros(entry.last_used_micros.load(std::memory_order_relaxed));
    if (now >= entry.credential->claims().expires_at) return Refused(kTokenExpired, "log in again");
    if (now < last_used + entry.idle_timeout) return NoteUse(entry, now);
    return std::nullopt;
  }
  if (const auto refusal = refusals_.Find(token); refusal.has_value() && clock_.SinceBoot() < refusal->until) {
    return refusal->status;
  }
  // The checksum tells what was never a token of ours; forging it takes no secret, which is what the limits are for.
  if (!ParseSessionToken(token).ok()) {
    return Refused(kTokenInvalid, "malformed");
  }
  return std::nullopt;
}

SessionDirectory::Verdict SessionDirectory::NoteUse(Entry& entry, absl::Time now) {
  const int64_t micros = absl::ToUnixMicros(now);
  int64_t last = entry.last_used_micros.load(std::memory_order_relaxed);
  while (last < micros && !entry.last_used_micros.compare_exchange_weak(last, micros, std::memory_order_relaxed)) {
  }
  return entry.credential;
}

bool SessionDirectory::TakeTicket() {
  const absl::Duration now = clock_.SinceBoot();
  const double fresh = absl::ToDoubleSeconds(now - tickets_at_) * limits_.look_ups_per_second;
  tickets_ = std::min<double>(tickets_ + fresh, limits_.burst);
  tickets_at_ = now;
  if (tickets_ < 1 || under_way_.size() >= limits_.look_ups_under_way) return false;
  tickets_ -= 1;
  return true;
}

void SessionDirectory::LookUp(const std::string& token, absl::AnyInvocable<void(Verdict)> done) {
  {
    MutexLock lock(mutex_);
    if (waiting_ < limits_.waiting) {
      const auto asked = under_way_.find(token);
      if (asked != under_way_.end()) {
        ++waiting_;
        asked->second.push_back(std::move(done));
        return;
      }
      if (TakeTicket()) {
        ++waiting_;
        under_way_[token].push_back(std::exchange(done, nullptr));
      }
    }
  }
  if (done != nullptr) {
    return done(ErrorWithReason(absl::StatusCode::kResourceExhausted, kLookUpLimited,
                                "too many session tokens are being looked up; try again"));
  }
  look_ups_.Add();
  source_.LookUp(token, [this, token](absl::StatusOr<Session> session) { Answer(token, std::move(session)); });
}

void SessionDirectory::Answer(const std::string& token, absl::StatusOr<Session> session) {
  const Verdict verdict = Remember(token, std::move(session));
  Waiting waiting;
  {
    MutexLock lock(mutex_);
    const auto asked = under_way_.find(token);
    waiting = std::move(asked->second);
    waiting_ -= waiting.size();
    under_way_.erase(asked);
  }
  for (auto& done : waiting) done(verdict);
}

SessionDirectory::Verdict SessionDirectory::Remember(const std::string& token, absl::StatusOr<Session> session) {
  if (session.ok()) {
    session->claims.certificate_sha256 = ParseSessionToken(token).value_or("");
    auto entry = std::make_shared<Entry>();
    entry->credential = std::make_shared<const VerifiedCredential>(
        VerifiedCredential::AssumeVerified(std::move(session->claims), /*key_id=*/""));
    entry->idle_timeout = session->idle_timeout;
    // The look-up itself counted as a use over there.
    entry->last_used_micros = entry->reported_micros = absl::ToUnixMicros(clock_.Now());
    sessions_.Put(token, entry);
    return entry->credential;
  }
  if (session.status().code() == absl::StatusCode::kUnauthenticated) {
    refusals_.Put(token, {session.status(), clock_.SinceBoot() + limits_.refusal_memory});
    return session.status();
  }
  return ErrorWithReason(absl::StatusCode::kUnavailable, kTrustUnavailable,
                         "the auth service could not be asked about the session token; try again");
}

std::vector<SessionDirectory::Use> SessionDirectory::TakeUses(size_t limit) {
  std::vector<Use> uses;
  sessions_.ForEach([&uses, limit](const std::shared_ptr<Entry>& entry) {
    if (uses.size() >= limit) return;
    const int64_t last = entry->last_used_micros.load(std::memory_order_relaxed);
    if (entry->reported_micros.exchange(last, std::memory_order_relaxed) == last) return;
    uses.push_back({entry->credential->claims().session_id, absl::FromUnixMicros(last)});
  });
  return uses;
}

}  // namespace watchword
