#include "server/service/verifier_exchange.h"

#include <pthread.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "watchword/base/deadline.h"

namespace watchword {
namespace {

constexpr absl::Duration kInterval = absl::Milliseconds(50);
constexpr absl::Duration kAtLeastEvery = absl::Seconds(1);
// A server that has not reported for so long is gone, and with it the feeds of its verifiers.
constexpr absl::Duration kGoneAfter = absl::Seconds(5);
constexpr absl::Duration kPatience = absl::Seconds(2);  // with the store
// More would not fit into a report. Whoever is left out is not counted as lost.
constexpr size_t kMaxReport = 1 << 20;

}  // namespace

std::string FormatVerifierReport(const VerifierReport& report) {
  std::string text;
  for (const std::string& key_id : report.held_keys) absl::StrAppend(&text, "key ", key_id, "\n");
  for (const Verifiers::State& state : report.states) {
    std::string line = absl::StrCat(
        state.live ? "live " : "lost ", absl::BytesToHexString(state.instance), " ",
        state.live ? absl::StrCat(state.acknowledged_seq) : absl::StrCat(absl::ToInt64Seconds(state.lost_for)), "\n");
    if (text.size() + line.size() > kMaxReport) break;
    text += line;
  }
  return text;
}

VerifierReport ParseVerifierReport(absl::string_view text) {
  VerifierReport report;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words.size() == 2 && words[0] == "key") report.held_keys.emplace_back(words[1]);
    uint64_t number = 0;
    if (words.size() != 3 || (words[0] != "live" && words[0] != "lost") || !absl::SimpleAtoi(words[2], &number))
      continue;
    Verifiers::State state{.instance = absl::HexStringToBytes(words[1]), .live = words[0] == "live"};
    if (state.live) {
      state.acknowledged_seq = number;
    } else {
      state.lost_for = absl::Seconds(static_cast<int64_t>(number));
    }
    report.states.push_back(std::move(state));
  }
  return report;
}

VerifierExchange::VerifierExchange(Replicas& replicas, const Uuid& self, Verifiers& verifiers, const Clock& clock,
                                   absl::Duration remember_lost, Logger& log)
    : replicas_(replicas),
      self_(self),
      verifiers_(verifiers),
      clock_(clock),
      remember_lost_(remember_lost),
      log_(log),
      thread_([this] { Run(); }) {}

VerifierExchange::~VerifierExchange() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
}

bool VerifierExchange::Pause() {
  MutexLock lock(mutex_);
  if (!stopping_) wake_.WaitFor(mutex_, kInterval);
  return !stopping_;
}

void VerifierExchange::Run() {
  pthread_setname_np(pthread_self(), "exchange");
  bool failing = false;
  do {
    const ScopedDeadline deadline(clock_.Now() + kPatience);
    absl::Status status = Report();
    if (status.ok()) status = Ask();
    if (status.ok() != failing) continue;
    failing = !status.ok();
    if (failing) {
      log_.Warning("cannot exchange acknowledgements with the other servers; logouts wait for their deadline",
                   {{"error", std::string(status.message())}});
    } else {
      log_.Info("acknowledgements are exchanged with the other servers again");
    }
  } while (Pause());
}

absl::Status VerifierExchange::Report() {
  const uint64_t version = verifiers_.own_version();
  const absl::Duration now = clock_.SinceBoot();
  if (version == reported_version_ && now - reported_at_ < kAtLeastEvery) return absl::OkStatus();
  absl::Status status = replicas_.Report(
      self_, FormatVerifierReport({.states = verifiers_.OwnStates(), .held_keys = verifiers_.OwnHeldKeys()}));
  if (!status.ok()) return status;
  reported_version_ = version;
  reported_at_ = now;
  return absl::OkStatus();
}

absl::Status VerifierExchange::Ask() {
  const absl::Duration now = clock_.SinceBoot();
  if (!verifiers_.WantsOthers() && now - asked_at_ < kAtLeastEvery) return absl::OkStatus();
  const uint64_t round = verifiers_.BeginRound();
  const absl::StatusOr<std::vector<Replicas::Peer>> peers = replicas_.Peers(self_, remember_lost_ + kGoneAfter);
  if (!peers.ok()) return peers.status();
  asked_at_ = now;
  std::vector<Verifiers::State> others;
  std::vector<std::vector<std::string>> held_keys;
  for (const Replicas::Peer& peer : *peers) {
    VerifierReport report = ParseVerifierReport(peer.report);
    if (peer.age <= kGoneAfter) held_keys.push_back(std::move(report.held_keys));
    for (Verifiers::State& state : report.states) {
      if (state.live && peer.age > kGoneAfter) {
        state.live = false;
        state.lost_for = absl::ZeroDuration();
      }
      if (!state.live) state.lost_for += peer.age;
      others.push_back(std::move(state));
    }
  }
  verifiers_.SetOthers(round, others, std::move(held_keys));
  return absl::OkStatus();
}

}  // namespace watchword
