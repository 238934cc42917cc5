#include "watchword/trust/feed_applier.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace watchword {
namespace {

// How much two clocks may drift apart, one of them being slewed: what grows more slowly than this is no delay.
constexpr double kMaxDrift = 0.001;

// Clocks that differ by more can make a verifier refuse what is good.
constexpr absl::Duration kMaxClockDifference = absl::Seconds(30);

absl::Time ToTime(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

absl::Status Unreadable(uint64_t seq, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("entry ", seq, " of the revocation log has no readable ", what));
}

absl::StatusOr<Revocation> ToRevocation(const v1::Revocation& entry) {
  if (!entry.has_expires_at()) return Unreadable(entry.seq(), "expiry");
  Revocation revocation{.seq = entry.seq(), .expires_at = ToTime(entry.expires_at())};
  switch (entry.target_case()) {
    case v1::Revocation::kSessionId: {
      const auto id = Uuid::Parse(entry.session_id());
      if (!id.ok()) return Unreadable(entry.seq(), "session id");
      revocation.target = Revocation::Session{*id};
      return revocation;
    }
    case v1::Revocation::kPrincipal: {
      const auto id = Uuid::Parse(entry.principal().subject());
      if (!id.ok() || !entry.principal().has_began_until()) return Unreadable(entry.seq(), "principal");
      revocation.target = Revocation::Principal{*id, ToTime(entry.principal().began_until())};
      return revocation;
    }
    case v1::Revocation::kKeyId:
      revocation.target = Revocation::Key{entry.key_id()};
      return revocation;
    case v1::Revocation::TARGET_NOT_SET:
      break;
  }
  return Unreadable(entry.seq(), "target");
}

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(absl::ToUnixSeconds(time));
  timestamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(timestamp.seconds()))));
  return timestamp;
}

}  // namespace

Jwk ToJwk(const v1::Jwk& jwk) {
  return {.kty = jwk.kty(),
          .kid = jwk.kid(),
          .use = jwk.use(),
          .alg = jwk.alg(),
          .crv = jwk.crv(),
          .x = jwk.x(),
          .y = jwk.y(),
          .n = jwk.n(),
          .e = jwk.e()};
}

v1::Revocation ToProto(const Revocation& revocation) {
  v1::Revocation entry;
  entry.set_seq(revocation.seq);
  *entry.mutable_expires_at() = ToTimestamp(revocation.expires_at);
  if (const auto* session = std::get_if<Revocation::Session>(&revocation.target)) {
    entry.set_session_id(session->id.ToString());
  } else if (const auto* principal = std::get_if<Revocation::Principal>(&revocation.target)) {
    entry.mutable_principal()->set_subject(principal->id.ToString());
    *entry.mutable_principal()->mutable_began_until() = ToTimestamp(principal->began_until);
  } else {
    entry.set_key_id(std::get<Revocation::Key>(revocation.target).id);
  }
  return entry;
}

std::optional<FeedApplier::State> FeedApplier::state() const {
  if (!ready() || in_snapshot_) return std::nullopt;
  return State{.keys = keys_, .epoch = epoch_, .seq = last_seq_};
}

absl::Time FeedApplier::forgetting_time() const { return std::min(server_time_, trust_.clock().Now()); }

std::optional<v1::Acknowledgement> FeedApplier::acknowledgement() const {
  if (!following_ || in_snapshot_ || !ready()) return std::nullopt;
  v1::Acknowledgement acknowledgement;
  acknowledgement.set_seq(last_seq_);
  for (std::string& id : trust_.keys()->key_ids()) acknowledgement.add_key_ids(std::move(id));
  return acknowledgement;
}

v1::Hello FeedApplier::StartStream() {
  following_ = false;
  in_snapshot_ = false;
  behind_at_.reset();
  booted_at_.reset();
  delay_ = absl::ZeroDuration();
  v1::Hello hello;
  hello.set_epoch(epoch_);
  hello.set_last_seq(last_seq_);
  return hello;
}

absl::Status FeedApplier::Apply(const v1::WatchResponse& response) {
  switch (response.message_case()) {
    case v1::WatchResponse::kKeys:
      ApplyKeys(response.keys());
      return absl::OkStatus();
    case v1::WatchResponse::kSnapshot:
      return ApplySnapshot(response.snapshot());
    case v1::WatchResponse::kRevocations:
      return ApplyRevocations(response.revocations());
    case v1::WatchResponse::kHeartbeat:
      return ApplyHeartbeat(response.heartbeat());
    case v1::WatchResponse::MESSAGE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("a message of a kind that is not known");
}

void FeedApplier::ApplyKeys(const v1::KeySet& keys) {
  std::vector<Jwk> jwks;
  for (const v1::Jwk& jwk : keys.keys()) jwks.push_back(ToJwk(jwk));
  auto set = KeySet::FromJwks(jwks);
  if (!set.ok() || set->empty()) {
    log_.Error("trust feed: refused a bad key set, the old one stays",
               {{"error", set.ok() ? "it is empty" : std::string(set.status().message())}});
    return;
  }
  keys_ = keys;
  if (has_snapshot_) {
    trust_.SetKeys(*std::move(set));
  } else {
    waiting_keys_ = *std::move(set);
  }
}

absl::Status FeedApplier::ApplySnapshot(const v1::Snapshot& part) {
  in_snapshot_ = true;
  const absl::Time now = forgetting_time();
  for (const v1::Revocation& entry : part.revocations()) {
    const auto revocation = ToRevocation(entry);
    if (!revocation.ok()) return revocation.status();
    trust_.revocations().Add(*revocation, now);
  }
  if (!part.last()) return absl::OkStatus();
  in_snapshot_ = false;
  behind_at_.reset();
  // A server that reads a copy of the log which lags behind: what it has is added, and its heartbeats do not count yet.
  newest_seq_ = part.epoch() == epoch_ ? std::max(newest_seq_, part.seq()) : part.seq();
  if (part.seq() < newest_seq_) {
    log_.Error("trust feed: the auth service is behind what it has said before; stale until it has caught up",
               {{"seq", absl::StrCat(part.seq())}, {"known", absl::StrCat(newest_seq_)}});
  }
  epoch_ = part.epoch();
  last_seq_ = part.seq();
  has_snapshot_ = true;
  following_ = true;
  trust_.NotePosition(last_seq_, last_seq_);
  if (waiting_keys_.has_value()) trust_.SetKeys(*std::exchange(waiting_keys_, std::nullopt));
  return absl::OkStatus();
}

absl::Status FeedApplier::ApplyRevocations(const v1::Revocations& revocations) {
  if (!has_snapshot_ || in_snapshot_) return absl::InvalidArgumentError("revocations before the end of the snapshot");
  const absl::Time now = forgetting_time();
  for (const v1::Revocation& entry : revocations.revocations()) {
    if (entry.seq() <= last_seq_) continue;
    if (entry.seq() != last_seq_ + 1) {
      return absl::DataLossError(absl::StrCat("entry ", entry.seq(), " came after ", last_seq_));
    }
    const auto revocation = ToRevocation(entry);
    if (!revocation.ok()) return revocation.status();
    trust_.revocations().Add(*revocation, now);
    last_seq_ = entry.seq();
    newest_seq_ = std::max(newest_seq_, last_seq_);
  }
  following_ = true;
  trust_.NotePosition(last_seq_, std::max(last_seq_, trust_.head_seq()));
  return absl::OkStatus();
}

absl::Status FeedApplier::ApplyHeartbeat(const v1::Heartbeat& heartbeat) {
  NoteServerTime(heartbeat);
  trust_.NotePosition(last_seq_, std::max(last_seq_, heartbeat.head_seq()));
  following_ = following_ || (has_snapshot_ && !in_snapshot_);
  if (IsComplete() && heartbeat.head_seq() <= last_seq_) {
    const absl::Duration now = trust_.clock().SinceBoot();
    trust_.NoteHeartbeat(delay_, booted_at_.has_value() ? *booted_at_ + now : absl::InfinitePast());
  }
  if (!has_snapshot_ || in_snapshot_ || heartbeat.head_seq() <= last_seq_) {
    behind_at_.reset();
    return absl::OkStatus();
  }
  // Entries may be on their way behind this heartbeat, but not behind the next one as well.
  if (behind_at_ == last_seq_) {
    return absl::DataLossError(
        absl::StrCat("the log is at ", heartbeat.head_seq(), ", nothing came after ", last_seq_));
  }
  behind_at_ = last_seq_;
  return absl::OkStatus();
}

// The two clocks need not agree: only that the server's shows less than it should, by its own earlier word, tells that
// a heartbeat was under way for longer than others. If the server's clock is set back, every heartbeat looks late,
// until the next stream begins anew.
void FeedApplier::NoteServerTime(const v1::Heartbeat& heartbeat) {
  if (!heartbeat.has_server_time()) return;
  server_time_ = ToTime(heartbeat.server_time());
  const absl::Duration now = trust_.clock().SinceBoot();
  const absl::Time booted_at = server_time_ - now;
  if (booted_at_.has_value()) *booted_at_ -= kMaxDrift * (now - heartbeat_at_);
  heartbeat_at_ = now;
  booted_at_ = std::max(booted_at, booted_at_.value_or(absl::InfinitePast()));
  delay_ = *booted_at_ - booted_at;
  const absl::Duration difference = *booted_at_ + now - trust_.clock().Now();
  if ((absl::AbsDuration(difference) > kMaxClockDifference) == clocks_differ_) return;
  clocks_differ_ = !clocks_differ_;
  if (!clocks_differ_) return log_.Warning("this machine's clock agrees with the auth service's again");
  log_.Error("this machine's clock differs from the auth service's; good credentials may be refused",
             {{"behind_by", absl::FormatDuration(difference)}});
}

}  // namespace watchword
