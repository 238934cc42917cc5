#include "server/transport/watch_reactor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/domain/names.h"
#include "server/service/errors.h"
#include "server/transport/convert.h"
#include "server/transport/status.h"
#include "watchword/base/reason.h"

namespace watchword {
namespace {

constexpr size_t kEntriesInMessage = 1000;
constexpr size_t kEpochSize = 16;
constexpr size_t kInstanceSize = 16;
constexpr int kMaxUses = 1000;
constexpr int kMaxKeys = 100;
constexpr size_t kMaxKeyId = 64;

void Fill(const RevocationRecord& record, v1::Revocation& revocation) {
  revocation.set_seq(record.seq);
  switch (record.kind) {
    case RevocationKind::kSession:
      revocation.set_session_id(record.target.ToString());
      break;
    case RevocationKind::kPrincipal:
      revocation.mutable_principal()->set_subject(record.target.ToString());
      *revocation.mutable_principal()->mutable_began_until() = ToProto(record.began_until);
      break;
    case RevocationKind::kKey:
      revocation.set_key_id(record.key_id);
      break;
  }
  *revocation.mutable_expires_at() = ToProto(record.expires_at);
}

}  // namespace

WatchReactor* WatchReactor::Start(const Environment& environment, const RpcTools& tools) {
  auto* reactor = new WatchReactor(environment, tools);
  reactor->self_.reset(reactor);
  if (!environment.feed.Subscribe(reactor)) reactor->OnEnd();
  reactor->StartRead(&reactor->request_);
  return reactor;
}

void WatchReactor::OnReadDone(bool ok) {
  absl::Status status;
  {
    MutexLock lock(mutex_);
    if (ok) {
      status = TakeRequest();
    } else if (phase_ != Phase::kAwaitingHello) {
      return;  // the verifier has nothing more to say, but still listens
    } else {
      status = InvalidField("hello", "must be sent first");
    }
  }
  if (!status.ok()) return End(status);
  // What came may have megabytes of unknown fields, and a feed lasts for days.
  request_ = v1::WatchRequest();
  StartRead(&request_);
  Advance();
}

absl::Status WatchReactor::TakeRequest() {
  switch (request_.message_case()) {
    case v1::WatchRequest::kHello:
      return connection_ == nullptr ? TakeHello() : InvalidField("hello", "must be sent once");
    case v1::WatchRequest::kAcknowledgement: {
      const uint64_t seq = request_.acknowledgement().seq();
      if (connection_ == nullptr) return InvalidField("hello", "must be sent first");
      if (phase_ != Phase::kFollowing) return absl::OkStatus();  // of what is being replaced by a snapshot
      if (seq > cursor_) return InvalidField("acknowledgement.seq", absl::StrCat(seq, " was not sent yet"));
      if (auto status = TakeKeyIds(); !status.ok()) return status;
      environment_.verifiers.Acknowledge(*connection_, seq);
      return absl::OkStatus();
    }
    case v1::WatchRequest::kActivity:
      return connection_ == nullptr ? InvalidField("hello", "must be sent first") : TakeActivity();
    case v1::WatchRequest::MESSAGE_NOT_SET:
      break;
  }
  return InvalidField("message", "must be set");
}

absl::Status WatchReactor::TakeKeyIds() {
  const auto& ids = request_.acknowledgement().key_ids();
  if (ids.size() > kMaxKeys) return InvalidField("acknowledgement.key_ids", absl::StrCat("must be at most ", kMaxKeys));
  for (const std::string& id : ids) {
    if (id.size() > kMaxKeyId) return InvalidField("acknowledgement.key_ids", "must be ids of keys");
  }
  environment_.verifiers.AcknowledgeKeys(*connection_, {ids.begin(), ids.end()});
  return absl::OkStatus();
}

absl::Status WatchReactor::TakeActivity() {
  const auto& uses = request_.activity().uses();
  if (uses.size() > kMaxUses) return InvalidField("activity.uses", absl::StrCat("must be at most ", kMaxUses));
  const absl::Time now = environment_.clock.Now();
  std::vector<SessionStore::Activity> activities;
  for (const v1::SessionUse& use : uses) {
    const absl::StatusOr<Uuid> id = Uuid::Parse(use.session_id());
    if (!id.ok() || !use.has_last_used_at()) continue;
    const absl::Time last_used_at = std::clamp(ToTime(use.last_used_at()), absl::UnixEpoch(), now);
    activities.push_back({.id = *id,
                          .last_used_at = last_used_at,
                          .idle_expires_at = last_used_at + environment_.settings.session_idle_timeout});
  }
  // If the store cannot take it, the next batch will say it again of whoever is still there.
  const absl::Status queued = environment_.store_executor.Submit(
      absl::InfiniteFuture(),
      [&environment = environment_, activities = std::move(activities)](const absl::Status& status) {
        absl::Status noted = status.ok() ? environment.store.sessions().NoteActivity(activities) : status;
        if (!noted.ok()) environment.log.Warning("uses of sessions are lost", {{"error", noted.ToString()}});
      });
  if (!queued.ok()) tools_.log.Warning("uses of sessions are lost", {{"error", queued.ToString()}});
  return absl::OkStatus();
}

absl::Status WatchReactor::TakeHello() {
  const v1::Hello& hello = request_.hello();
  if (!CheckAudience(hello.verifier()).ok()) {  // the rules are the same
    return InvalidField("hello.verifier", "must be 1 to 255 visible ASCII characters");
  }
  if (!hello.epoch().empty() && hello.epoch().size() != kEpochSize) {
    return InvalidField("hello.epoch", absl::StrCat("must be empty or have ", kEpochSize, " bytes"));
  }
  if (!hello.instance().empty() && hello.instance().size() != kInstanceSize) {
    return InvalidField("hello.instance", absl::StrCat("must be empty or have ", kInstanceSize, " bytes"));
  }
  hello_.set_verifier(hello.verifier());
  hello_.set_epoch(hello.epoch());
  hello_.set_last_seq(hello.last_seq());
  phase_ = Phase::kKeys;
  connection_ = environment_.verifiers.Connect(hello.instance(), hello.verifier());
  tools_.log.Info("verifier connected",
                  {{"verifier", hello_.verifier()}, {"last_seq", absl::StrCat(hello_.last_seq())}});
  return absl::OkStatus();
}

void WatchReactor::OnWriteDone(bool ok) {
  StepDone(ok ? absl::OkStatus() : absl::CancelledError("the verifier is gone"));
}

void WatchReactor::OnCancel() { End(absl::CancelledError("the verifier is gone")); }

void WatchReactor::OnDone() {
  environment_.feed.Unsubscribe(this);
  std::shared_ptr<Verifiers::Connection> connection;
  {
    MutexLock lock(mutex_);
    connection = std::move(connection_);
    if (connection != nullptr) tools_.log.Info("verifier disconnected", {{"verifier", hello_.verifier()}});
  }
  if (connection != nullptr) environment_.verifiers.Disconnect(connection);
  const std::shared_ptr<WatchReactor> last = std::move(self_);  // a read of the store may still hold another
}

void WatchReactor::OnNews() { Advance(); }

void WatchReactor::OnHeartbeat() {
  {
    MutexLock lock(mutex_);
    heartbeat_due_from_ = 0;
  }
  Advance();
}

// The verifier comes back with the old epoch and gets a snapshot.
void WatchReactor::OnNewEpoch() {
  End(ErrorWithReason(absl::StatusCode::kUnavailable, kStoreUnavailable,
                      "the revocation log is another one: begin anew"));
}

void WatchReactor::OnEnd() {
  End(ErrorWithReason(absl::StatusCode::kUnavailable, kShuttingDown, "the server is stopping"));
}

void WatchReactor::End(const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    if (ending_) return;
    ending_ = true;
    end_status_ = status;
  }
  Advance();
}

void WatchReactor::StepDone(const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    busy_ = false;
    if (!status.ok() && !ending_) {
      ending_ = true;
      end_status_ = status;
    }
  }
  Advance();
}

void WatchReactor::Advance() {
  absl::AnyInvocable<void()> next;
  {
    MutexLock lock(mutex_);
    if (busy_ || finished_) return;
    next = Next();
    if (next == nullptr) return;
    busy_ = true;
  }
  next();
}

absl::AnyInvocable<void()> WatchReactor::Next() {
  if (ending_) {
    finished_ = true;
    return [this, status = ToGrpcStatus(end_status_)] { Finish(status); };
  }
  if (ready_) {
    ready_ = false;
    return Write();
  }
  switch (phase_) {
    case Phase::kAwaitingHello:
      return nullptr;
    case Phase::kKeys:
      phase_ = Phase::kChoosingStart;
      return WriteKeys();
    case Phase::kChoosingStart:
      return [this] { OnStore(&WatchReactor::ChooseStart); };
    case Phase::kSnapshot:
      return [this] { OnStore(&WatchReactor::ReadSnapshotPart); };
    case Phase::kFollowing:
      return NextWhileFollowing();
  }
  return nullptr;
}

absl::AnyInvocable<void()> WatchReactor::WriteKeys() {
  keys_version_ = environment_.keys.version();  // before the keys: what changes meanwhile is sent again
  response_.Clear();
  for (const Jwk& jwk : environment_.keys.public_jwks()) *response_.mutable_keys()->add_keys() = ToProto(jwk);
  return Write();
}

absl::AnyInvocable<void()> WatchReactor::NextWhileFollowing() {
  if (keys_version_ != environment_.keys.version()) return WriteKeys();
  const auto entries = environment_.feed.RecentAfter(cursor_, kEntriesInMessage);
  if (!entries.ok()) {
    return [this] { OnStore(&WatchReactor::ReadEntries); };
  }
  if (!entries->empty()) {
    FillRevocations(*entries);
    return Write();
  }
  if (!heartbeat_due_from_.has_value() || cursor_ < *heartbeat_due_from_) return nullptr;
  heartbeat_due_from_.reset();
  response_.Clear();
  response_.mutable_heartbeat()->set_head_seq(cursor_);
  *response_.mutable_heartbeat()->mutable_server_time() = ToProto(environment_.clock.Now());
  return Write();
}

absl::AnyInvocable<void()> WatchReactor::Write() {
  return [this] { StartWrite(&response_); };
}

void WatchReactor::OnStore(absl::Status (WatchReactor::*read)()) {
  const absl::Status queued =
      environment_.store_executor.Submit(absl::InfiniteFuture(), [self = self_, read](const absl::Status& status) {
        self->StepDone(status.ok() ? ((*self).*read)() : NotDone(status));
      });
  if (!queued.ok()) StepDone(NotDone(queued));
}

absl::Status WatchReactor::ChooseStart() {
  const absl::StatusOr<RevocationLog::Head> head = environment_.store.revocations().GetHead();
  if (!head.ok()) return StoreFailed(head.status());
  MutexLock lock(mutex_);
  const bool resumes =
      hello_.epoch() == head->epoch && hello_.last_seq() >= head->compacted_seq && hello_.last_seq() <= head->seq;
  if (resumes) {
    cursor_ = hello_.last_seq();
    phase_ = Phase::kFollowing;
  } else {
    cursor_ = 0;
    snapshot_seq_ = head->seq;
    phase_ = Phase::kSnapshot;
  }
  heartbeat_due_from_ = head->seq;
  return absl::OkStatus();
}

absl::Status WatchReactor::ReadSnapshotPart() {
  uint64_t after = 0;
  uint64_t until = 0;
  {
    MutexLock lock(mutex_);
    after = cursor_;
    until = snapshot_seq_;
  }
  const auto entries = environment_.store.revocations().ReadAfter(after, kEntriesInMessage);
  if (!entries.ok()) return StoreFailed(entries.status());
  const absl::Time now = environment_.clock.Now();
  MutexLock lock(mutex_);
  response_.Clear();
  v1::Snapshot& snapshot = *response_.mutable_snapshot();
  snapshot.set_epoch(environment_.feed.position().epoch);
  snapshot.set_seq(until);
  bool last = entries->size() < kEntriesInMessage;
  for (const RevocationRecord& entry : *entries) {
    if (entry.seq > until) {
      last = true;
      break;
    }
    cursor_ = entry.seq;
    if (entry.expires_at > now) Fill(entry, *snapshot.add_revocations());
  }
  snapshot.set_last(last);
  if (last) {
    cursor_ = until;
    phase_ = Phase::kFollowing;
  }
  ready_ = true;
  return absl::OkStatus();
}

absl::Status WatchReactor::ReadEntries() {
  uint64_t after = 0;
  {
    MutexLock lock(mutex_);
    after = cursor_;
  }
  auto entries = environment_.store.revocations().ReadAfter(after, kEntriesInMessage);
  if (!entries.ok()) return StoreFailed(entries.status());
  // What expired meanwhile may have been deleted from the middle: up to there, they are consecutive.
  for (size_t i = 1; i < entries->size(); ++i) {
    if ((*entries)[i].seq == (*entries)[i - 1].seq + 1) continue;
    entries->resize(i);
    break;
  }
  MutexLock lock(mutex_);
  if (entries->empty() || entries->front().seq != after + 1) {
    // What it needs was deleted while it was behind: it is as one that comes back too late.
    cursor_ = 0;
    snapshot_seq_ = environment_.feed.position().head_seq;
    phase_ = Phase::kSnapshot;
    return absl::OkStatus();
  }
  FillRevocations(*entries);
  ready_ = true;
  return absl::OkStatus();
}

void WatchReactor::FillRevocations(const std::vector<RevocationRecord>& entries) {
  response_.Clear();
  for (const RevocationRecord& entry : entries) Fill(entry, *response_.mutable_revocations()->add_revocations());
  cursor_ = entries.back().seq;
}

}  // namespace watchword
