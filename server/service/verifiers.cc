#include "server/service/verifiers.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

namespace watchword {

Verifiers::Verifiers(Feed& feed, const Clock& clock, absl::Duration remember_lost)
    : feed_(feed), clock_(clock), remember_lost_(remember_lost) {
  if (!feed_.Subscribe(this)) OnEnd();
}

Verifiers::~Verifiers() {
  feed_.Unsubscribe(this);
  OnEnd();
}

std::shared_ptr<Verifiers::Connection> Verifiers::Connect(std::string instance) {
  MutexLock lock(mutex_);
  if (instance.empty()) instance = absl::StrCat("nameless ", ++nameless_);
  lost_.erase(instance);
  std::shared_ptr<Connection> connection(new Connection(instance));
  live_[std::move(instance)] = connection;
  return connection;
}

void Verifiers::Acknowledge(Connection& connection, uint64_t seq) {
  {
    MutexLock lock(mutex_);
    connection.acknowledged_seq_ = std::max(connection.acknowledged_seq_, seq);
    if (waiting_.empty()) return;
  }
  AnswerDue();
}

void Verifiers::Disconnect(const std::shared_ptr<Connection>& connection) {
  {
    MutexLock lock(mutex_);
    const auto it = live_.find(connection->instance_);
    if (it == live_.end() || it->second != connection) return;
    live_.erase(it);
    ForgetLost();
    if (lost_.size() < kMaxLost) lost_[connection->instance_] = clock_.SinceBoot();
  }
  AnswerDue();
}

Verifiers::Tally Verifiers::TallyOf(uint64_t seq) const {
  MutexLock lock(mutex_);
  return Count(seq);
}

uint64_t Verifiers::LeastAcknowledged() const {
  MutexLock lock(mutex_);
  return Least();
}

void Verifiers::WaitFor(uint64_t seq, absl::Time deadline, absl::AnyInvocable<void(Tally)> done) {
  {
    MutexLock lock(mutex_);
    // Whoever logs out need not be anybody: no more of them are kept than the answers below can afford.
    if (waiting_.size() >= kMaxWaiting) deadline = absl::InfinitePast();
    waiting_.push_back({.seq = seq, .deadline = deadline, .done = std::move(done)});
  }
  AnswerDue();
}

void Verifiers::OnTick() {
  {
    MutexLock lock(mutex_);
    ForgetLost();
    if (waiting_.empty()) return;
  }
  AnswerDue();
}

void Verifiers::OnEnd() {
  {
    MutexLock lock(mutex_);
    ended_ = true;
  }
  AnswerDue();
}

Verifiers::Tally Verifiers::Count(uint64_t seq) const {
  Tally tally{.live = live_.size(), .lost = lost_.size()};
  for (const auto& [instance, connection] : live_) {
    if (connection->acknowledged_seq_ >= seq) ++tally.acknowledged;
  }
  return tally;
}

uint64_t Verifiers::Least() const {
  uint64_t least = std::numeric_limits<uint64_t>::max();
  for (const auto& [instance, connection] : live_) least = std::min(least, connection->acknowledged_seq_);
  return least;
}

void Verifiers::ForgetLost() {
  const absl::Duration now = clock_.SinceBoot();
  for (auto it = lost_.begin(); it != lost_.end();) {
    if (now - it->second >= remember_lost_) {
      lost_.erase(it++);
    } else {
      ++it;
    }
  }
}

void Verifiers::AnswerDue() {
  std::vector<std::pair<absl::AnyInvocable<void(Tally)>, Tally>> due;
  {
    MutexLock lock(mutex_);
    const absl::Time now = clock_.Now();
    const uint64_t least = Least();
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if (least < it->seq && now < it->deadline && !ended_) {
        ++it;
        continue;
      }
      due.emplace_back(std::move(it->done), Count(it->seq));
      it = waiting_.erase(it);
    }
  }
  for (auto& [done, tally] : due) done(tally);
}

}  // namespace watchword
