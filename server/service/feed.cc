#include "server/service/feed.h"

#include <pthread.h>

#include <utility>

namespace watchword {
namespace {

constexpr size_t kKeptInMemory = 4096;
constexpr size_t kReadAtOnce = 1000;
constexpr absl::Duration kTailInterval = absl::Milliseconds(50);
constexpr absl::Duration kHeartbeatInterval = absl::Seconds(1);

}  // namespace

Revocation ToRevocation(const RevocationRecord& record) {
  Revocation revocation{.seq = record.seq, .target = {}, .expires_at = record.expires_at};
  switch (record.kind) {
    case RevocationKind::kSession:
      revocation.target = Revocation::Session{record.target};
      break;
    case RevocationKind::kPrincipal:
      revocation.target = Revocation::Principal{record.target, record.began_until};
      break;
    case RevocationKind::kKey:
      revocation.target = Revocation::Key{record.key_id};
      break;
  }
  return revocation;
}

Feed::Feed(RevocationLog& revocations, TrustState& trust, const Clock& clock, Logger& log)
    : revocations_(revocations), trust_(trust), clock_(clock), log_(log) {}

Feed::~Feed() { Stop(); }

absl::Status Feed::Start() {
  absl::StatusOr<RevocationLog::Head> head = revocations_.GetHead();
  if (!head.ok()) return head.status();
  while (true) {  // from the first entry on: some that are older than compacted_seq may still be in force
    absl::StatusOr<bool> more = Follow();
    if (!more.ok()) return more.status();
    if (!*more) break;
  }
  {
    MutexLock lock(mutex_);
    position_.epoch = head->epoch;
    if (position_.head_seq < head->seq) {  // the newest have expired and were deleted
      position_.head_seq = head->seq;
      recent_.clear();
    }
  }
  trust_.NoteHeartbeat();
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void Feed::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  if (thread_.joinable()) thread_.join();
  MutexLock lock(listeners_mutex_);
  if (ended_) return;
  ended_ = true;
  for (Listener* listener : listeners_) listener->OnEnd();
}

void Feed::Announce(const RevocationRecord& revocation) {
  // Own verdicts count at once, before the log is read back.
  trust_.revocations().Add(ToRevocation(revocation), clock_.Now());
  {
    MutexLock lock(mutex_);
    poked_ = true;
  }
  wake_.NotifyOne();
}

bool Feed::Subscribe(Listener* listener) {
  MutexLock lock(listeners_mutex_);
  if (!ended_) listeners_.insert(listener);
  return !ended_;
}

void Feed::Unsubscribe(Listener* listener) {
  MutexLock lock(listeners_mutex_);
  listeners_.erase(listener);
}

Feed::Position Feed::position() const {
  MutexLock lock(mutex_);
  return position_;
}

absl::StatusOr<std::vector<RevocationRecord>> Feed::RecentAfter(uint64_t seq, size_t limit) const {
  MutexLock lock(mutex_);
  std::vector<RevocationRecord> entries;
  if (seq >= position_.head_seq) return entries;
  const uint64_t first_kept = position_.head_seq - recent_.size() + 1;
  if (seq + 1 < first_kept) return absl::OutOfRangeError("older than what is kept in memory");
  for (size_t i = seq + 1 - first_kept; i < recent_.size() && entries.size() < limit; ++i) {
    entries.push_back(recent_[i]);
  }
  return entries;
}

absl::StatusOr<bool> Feed::Follow() {
  const uint64_t seq = position().head_seq;
  absl::StatusOr<std::vector<RevocationRecord>> entries = revocations_.ReadAfter(seq, kReadAtOnce);
  if (!entries.ok()) return entries.status();
  if (entries->empty()) return false;
  const absl::Time now = clock_.Now();
  for (const RevocationRecord& entry : *entries) trust_.revocations().Add(ToRevocation(entry), now);
  MutexLock lock(mutex_);
  for (RevocationRecord& entry : *entries) {
    // Entries that had expired were deleted and leave a gap: what is kept in memory has none.
    if (entry.seq != position_.head_seq + 1) recent_.clear();
    position_.head_seq = entry.seq;
    recent_.push_back(std::move(entry));
    if (recent_.size() > kKeptInMemory) recent_.pop_front();
  }
  return true;
}

void Feed::Tell(void (Listener::*what)()) {
  MutexLock lock(listeners_mutex_);
  for (Listener* listener : listeners_) (listener->*what)();
}

void Feed::Run() {
  pthread_setname_np(pthread_self(), "feed");
  absl::Duration last_heartbeat = clock_.SinceBoot();
  bool failing = false;
  while (true) {
    {
      MutexLock lock(mutex_);
      if (!poked_ && !stopping_) wake_.WaitFor(mutex_, kTailInterval);
      if (stopping_) return;
      poked_ = false;
    }
    Tell(&Listener::OnTick);
    const absl::StatusOr<bool> news = Follow();
    if (news.ok() == failing) {
      failing = !news.ok();
      if (failing) {
        log_.Error("cannot read the revocation log; verifiers get no heartbeat until it can be read again",
                   {{"error", std::string(news.status().message())}});
      } else {
        log_.Info("the revocation log can be read again");
      }
    }
    if (failing) continue;
    if (*news) Tell(&Listener::OnNews);
    if (clock_.SinceBoot() - last_heartbeat >= kHeartbeatInterval) {
      last_heartbeat = clock_.SinceBoot();
      trust_.NoteHeartbeat();
      Tell(&Listener::OnHeartbeat);
    }
  }
}

}  // namespace watchword
