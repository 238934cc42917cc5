#include "server/service/verifiers.h"

#include <algorithm>
#include <limits>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

namespace watchword {

Verifiers::Verifiers(Feed& feed, const Clock& clock, absl::Duration remember_lost, bool shared)
    : feed_(feed), clock_(clock), remember_lost_(remember_lost), shared_(shared) {
  if (!feed_.Subscribe(this)) OnEnd();
}

Verifiers::~Verifiers() {
  feed_.Unsubscribe(this);
  OnEnd();
}

std::shared_ptr<Verifiers::Connection> Verifiers::Connect(std::string instance, std::string name) {
  MutexLock lock(mutex_);
  if (instance.empty()) instance = absl::StrCat("nameless ", ++nameless_);
  lost_.erase(instance);
  std::shared_ptr<Connection> connection(new Connection(instance, std::move(name)));
  connection->heard_at_ = clock_.SinceBoot();
  live_[std::move(instance)] = connection;
  ++own_version_;
  return connection;
}

void Verifiers::Acknowledge(Connection& connection, uint64_t seq) {
  {
    MutexLock lock(mutex_);
    connection.heard_at_ = clock_.SinceBoot();
    if (seq <= connection.acknowledged_seq_) return;
    connection.acknowledged_seq_ = seq;
    ++own_version_;
    if (waiting_.empty()) return;
  }
  AnswerDue();
}

void Verifiers::AcknowledgeKeys(Connection& connection, std::vector<std::string> key_ids) {
  MutexLock lock(mutex_);
  if (key_ids == connection.key_ids_) return;
  connection.key_ids_ = std::move(key_ids);
  ++own_version_;
}

void Verifiers::SetKeys(std::vector<std::string> key_ids) {
  MutexLock lock(mutex_);
  key_ids_ = std::move(key_ids);
  ++own_version_;
}

std::vector<std::string> Verifiers::OwnHeldKeys() const {
  MutexLock lock(mutex_);
  std::vector<std::string> held;
  for (const std::string& key_id : key_ids_) {
    if (AllOwnHold(key_id)) held.push_back(key_id);
  }
  return held;
}

bool Verifiers::EverybodyHolds(const std::string& key_id) const {
  MutexLock lock(mutex_);
  if (shared_ && clock_.SinceBoot() - others_told_at_ > kMaxAge) return false;
  return absl::c_linear_search(key_ids_, key_id) && AllOwnHold(key_id) &&
         absl::c_all_of(held_elsewhere_, [&](const auto& held) { return absl::c_linear_search(held, key_id); });
}

bool Verifiers::AllOwnHold(const std::string& key_id) const {
  return absl::c_all_of(live_,
                        [&](const auto& verifier) { return absl::c_linear_search(verifier.second->key_ids_, key_id); });
}

void Verifiers::Disconnect(const std::shared_ptr<Connection>& connection) {
  {
    MutexLock lock(mutex_);
    const auto it = live_.find(connection->instance_);
    if (it == live_.end() || it->second != connection) return;
    live_.erase(it);
    ++own_version_;
    ForgetLost();
    if (lost_.size() < kMaxLost) lost_[connection->instance_] = clock_.SinceBoot();
  }
  AnswerDue();
}

Verifiers::Tally Verifiers::TallyOf(uint64_t seq) const {
  MutexLock lock(mutex_);
  return Count(seq);
}

std::vector<Verifiers::State> Verifiers::OwnStates() const {
  MutexLock lock(mutex_);
  std::vector<State> states;
  for (const auto& [instance, connection] : live_) {
    states.push_back({.instance = instance, .live = true, .acknowledged_seq = connection->acknowledged_seq_});
  }
  const absl::Duration now = clock_.SinceBoot();
  for (const auto& [instance, since] : lost_) states.push_back({.instance = instance, .lost_for = now - since});
  return states;
}

Verifiers::Tally Verifiers::OwnTally() const {
  MutexLock lock(mutex_);
  return {.live = live_.size(), .lost = lost_.size()};
}

std::map<std::string, Verifiers::Lag> Verifiers::LagByName(uint64_t head) const {
  const absl::Duration now = clock_.SinceBoot();
  MutexLock lock(mutex_);
  std::map<std::string, Lag> lags;
  for (const auto& [instance, connection] : live_) {
    const bool fits = lags.size() < kMaxNames || lags.contains(connection->name_);
    Lag& lag = lags[fits && !connection->name_.empty() ? connection->name_ : "other"];
    lag.entries = std::max(lag.entries, head - std::min(head, connection->acknowledged_seq_));
    lag.silent_for = std::max(lag.silent_for, now - connection->heard_at_);
  }
  return lags;
}

uint64_t Verifiers::LeastAcknowledged() const {
  MutexLock lock(mutex_);
  uint64_t least = std::numeric_limits<uint64_t>::max();
  for (const auto& [instance, connection] : live_) least = std::min(least, connection->acknowledged_seq_);
  return least;
}

uint64_t Verifiers::own_version() const {
  MutexLock lock(mutex_);
  return own_version_;
}

bool Verifiers::WantsOthers() const {
  MutexLock lock(mutex_);
  return !waiting_.empty();
}

uint64_t Verifiers::BeginRound() {
  MutexLock lock(mutex_);
  return ++begun_rounds_;
}

void Verifiers::SetOthers(uint64_t round, const std::vector<State>& others,
                          std::vector<std::vector<std::string>> held_keys) {
  {
    MutexLock lock(mutex_);
    ended_round_ = round;
    others_told_at_ = clock_.SinceBoot();
    held_elsewhere_ = std::move(held_keys);
    live_elsewhere_.clear();
    lost_elsewhere_.clear();
    for (const State& state : others) {
      if (state.live) {
        uint64_t& acknowledged = live_elsewhere_[state.instance];
        acknowledged = std::max(acknowledged, state.acknowledged_seq);
      } else if (state.lost_for < remember_lost_) {
        lost_elsewhere_.insert(state.instance);
      }
    }
  }
  AnswerDue();
}

void Verifiers::WaitFor(uint64_t seq, absl::Time deadline, absl::AnyInvocable<void(Tally)> done) {
  {
    MutexLock lock(mutex_);
    // Whoever logs out need not be anybody: no more of them are kept than the answers below can afford.
    if (waiting_.size() >= kMaxWaiting) deadline = absl::InfinitePast();
    waiting_.push_back(
        {.seq = seq, .round = shared_ ? begun_rounds_ + 1 : 0, .deadline = deadline, .done = std::move(done)});
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
  Tally tally;
  for (const auto& [instance, connection] : live_) {
    ++tally.live;
    if (AcknowledgedBy(*connection) >= seq) ++tally.acknowledged;
  }
  for (const auto& [instance, acknowledged] : live_elsewhere_) {
    if (live_.contains(instance)) continue;
    ++tally.live;
    if (acknowledged >= seq) ++tally.acknowledged;
  }
  for (const auto& [instance, since] : lost_) {
    if (!IsLive(instance)) ++tally.lost;
  }
  for (const std::string& instance : lost_elsewhere_) {
    if (!IsLive(instance) && !lost_.contains(instance)) ++tally.lost;
  }
  return tally;
}

uint64_t Verifiers::Least() const {
  uint64_t least = std::numeric_limits<uint64_t>::max();
  for (const auto& [instance, connection] : live_) least = std::min(least, AcknowledgedBy(*connection));
  for (const auto& [instance, acknowledged] : live_elsewhere_) {
    if (!live_.contains(instance)) least = std::min(least, acknowledged);
  }
  return least;
}

uint64_t Verifiers::AcknowledgedBy(const Connection& connection) const {
  const auto elsewhere = live_elsewhere_.find(connection.instance_);
  if (elsewhere == live_elsewhere_.end()) return connection.acknowledged_seq_;
  return std::max(connection.acknowledged_seq_, elsewhere->second);
}

bool Verifiers::IsLive(const std::string& instance) const {
  return live_.contains(instance) || live_elsewhere_.contains(instance);
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
      const bool everybody_has = least >= it->seq && ended_round_ >= it->round;
      if (!everybody_has && now < it->deadline && !ended_) {
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
