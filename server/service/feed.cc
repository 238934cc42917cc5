#include "server/service/feed.h"

#include <pthread.h>

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace watchword {
namespace {

constexpr size_t kKeptInMemory = 4096;
constexpr size_t kReadAtOnce = 1000;
constexpr absl::Duration kTailInterval = absl::Milliseconds(50);
constexpr absl::Duration kHeartbeatInterval = absl::Seconds(1);

bool IsSameEntry(const RevocationRecord& a, const RevocationRecord& b) {
  return a.seq == b.seq && a.kind == b.kind && a.target == b.target && a.key_id == b.key_id &&
         a.created_at == b.created_at;
}

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

Feed::Feed(RevocationLog& revocations, TrustState& trust, const Clock& clock, RandomSource& random, Logger& log)
    : revocations_(revocations), trust_(trust), clock_(clock), random_(random), log_(log) {}

Feed::~Feed() { Stop(); }

absl::Status Feed::Start() {
  if (absl::Status status = Load(); !status.ok()) return status;
  trust_.NoteHeartbeat();
  thread_ = std::thread([this] { Run(); });
  ticker_ = std::thread([this] { Tick(); });
  return absl::OkStatus();
}

void Feed::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  stopped_.NotifyAll();
  if (thread_.joinable()) thread_.join();
  if (ticker_.joinable()) ticker_.join();
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

void Feed::AnnounceKeys() {
  {
    MutexLock lock(mutex_);
    poked_ = true;
    keys_changed_ = true;
  }
  wake_.NotifyOne();
}

bool Feed::TakeKeysChanged() {
  MutexLock lock(mutex_);
  return std::exchange(keys_changed_, false);
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

absl::Status Feed::Load() {
  {
    MutexLock lock(mutex_);
    position_ = Position();
    recent_.clear();
  }
  last_.reset();
  const absl::StatusOr<RevocationLog::Head> head = revocations_.GetHead();
  if (!head.ok()) return head.status();
  while (true) {  // from the first entry on: some that are older than compacted_seq may still be in force
    const absl::StatusOr<size_t> read = ReadOn();
    if (absl::IsFailedPrecondition(read.status())) {
      last_.reset();  // it has expired and was deleted since
      continue;
    }
    if (!read.ok()) return read.status();
    if (*read == 0) break;
  }
  MutexLock lock(mutex_);
  position_.epoch = head->epoch;
  if (position_.head_seq < head->seq) {  // the newest have expired and were deleted
    position_.head_seq = head->seq;
    recent_.clear();
    last_.reset();
  }
  return absl::OkStatus();
}

absl::StatusOr<Feed::News> Feed::Follow() {
  const Position before = position();
  const absl::StatusOr<size_t> read = ReadOn();
  const bool differs = absl::IsFailedPrecondition(read.status());
  if (!read.ok() && !differs) return read.status();
  // After the entries, so that what was deleted meanwhile is known as such.
  const absl::StatusOr<RevocationLog::Head> head = revocations_.GetHead();
  if (!head.ok()) return head.status();
  const bool is_missing = differs && head->compacted_seq < before.head_seq;
  if (head->epoch != before.epoch || head->seq < before.head_seq || is_missing) {
    if (absl::Status status = StartAnew(*head); !status.ok()) return status;
    return News::kNewEpoch;
  }
  if (differs) last_.reset();  // it has expired and was deleted
  return read.ok() && *read > 0 ? News::kEntries : News::kNone;
}

absl::StatusOr<size_t> Feed::ReadOn() {
  // The last one is read again, to see whether it is still the same.
  const uint64_t after = last_.has_value() ? last_->seq - 1 : position().head_seq;
  absl::StatusOr<std::vector<RevocationRecord>> entries = revocations_.ReadAfter(after, kReadAtOnce);
  if (!entries.ok()) return entries.status();
  if (last_.has_value()) {
    if (entries->empty() || !IsSameEntry(entries->front(), *last_)) {
      return absl::FailedPreconditionError("the last entry is not there any more");
    }
    entries->erase(entries->begin());
  }
  const size_t count = entries->size();
  if (count > 0) Take(*std::move(entries));
  return count;
}

void Feed::Take(std::vector<RevocationRecord> entries) {
  last_ = entries.back();
  const absl::Time now = clock_.Now();
  for (const RevocationRecord& entry : entries) trust_.revocations().Add(ToRevocation(entry), now);
  MutexLock lock(mutex_);
  for (RevocationRecord& entry : entries) {
    // Entries that had expired were deleted and leave a gap: what is kept in memory has none.
    if (entry.seq != position_.head_seq + 1) recent_.clear();
    position_.head_seq = entry.seq;
    recent_.push_back(std::move(entry));
    if (recent_.size() > kKeptInMemory) recent_.pop_front();
  }
}

absl::Status Feed::StartAnew(const RevocationLog::Head& head) {
  if (head.epoch == position().epoch) {  // otherwise, another server has seen to it
    log_.Error("entries of the revocation log are gone: was a backup put back? A new epoch begins",
               {{"known_seq", absl::StrCat(position().head_seq)}, {"seq", absl::StrCat(head.seq)}});
    std::array<uint8_t, 16> bytes;
    if (absl::Status status = random_.Fill(absl::MakeSpan(bytes)); !status.ok()) return status;
    const absl::string_view epoch(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const absl::StatusOr<bool> begun = revocations_.BeginEpoch(head.epoch, epoch);
    if (!begun.ok()) return begun.status();
  }
  return Load();
}

void Feed::Tell(void (Listener::*what)()) {
  MutexLock lock(listeners_mutex_);
  for (Listener* listener : listeners_) (listener->*what)();
}

bool Feed::Pause() {
  MutexLock lock(mutex_);
  if (!poked_ && !stopping_) wake_.WaitFor(mutex_, kTailInterval);
  poked_ = false;
  return !stopping_;
}

void Feed::Run() {
  pthread_setname_np(pthread_self(), "feed");
  absl::Duration last_heartbeat = clock_.SinceBoot();
  bool failing = false;
  while (Pause()) {
    if (TakeKeysChanged()) Tell(&Listener::OnNews);
    const absl::StatusOr<News> news = Follow();
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
    if (*news == News::kNewEpoch) Tell(&Listener::OnNewEpoch);
    if (*news == News::kEntries) Tell(&Listener::OnNews);
    if (clock_.SinceBoot() - last_heartbeat >= kHeartbeatInterval) {
      last_heartbeat = clock_.SinceBoot();
      trust_.NoteHeartbeat();
      Tell(&Listener::OnHeartbeat);
    }
  }
}

// On a thread of its own, since a store that hangs holds up the other.
void Feed::Tick() {
  pthread_setname_np(pthread_self(), "ticker");
  while (true) {
    {
      MutexLock lock(mutex_);
      if (!stopping_) stopped_.WaitFor(mutex_, kTailInterval);
      if (stopping_) return;
    }
    Tell(&Listener::OnTick);
  }
}

}  // namespace watchword
