#include "server/service/key_rotation.h"

#include <pthread.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/service/credentials.h"
#include "server/service/errors.h"
#include "watchword/base/deadline.h"
#include "watchword/base/reason.h"

namespace watchword {
namespace {

constexpr absl::Duration kInterval = absl::Seconds(1);
constexpr absl::Duration kPatience = absl::Seconds(5);  // with the store
// After which it is worth telling somebody that verifiers do not acknowledge a key.
constexpr absl::Duration kUsualAcknowledgement = absl::Minutes(5);

std::string PublishedKey(const std::vector<SigningKeyRecord>& keys) {
  for (const SigningKeyRecord& key : keys) {
    if (key.state == SigningKeyState::kPublished) return key.key_id;
  }
  return "";
}

absl::Status NotRotated() {
  return ErrorWithReason(absl::StatusCode::kUnavailable, kStoreUnavailable,
                         "other servers were changing the signing keys at the same time; try again");
}

// The server itself.
AuditEvent Nobody() { return {.type = kAuditSigningKeyChanged}; }

}  // namespace

KeyRotation::KeyRotation(const Environment& environment, KeyRing& ring, AuditLog& audit, const KeySchedule& schedule)
    : environment_(environment), ring_(ring), audit_(audit), schedule_(schedule) {
  AnnounceKeys();
}

KeyRotation::~KeyRotation() {
  environment_.feed.Unsubscribe(this);
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

void KeyRotation::Start() {
  if (!environment_.feed.Subscribe(this)) return;
  thread_ = std::thread([this] { Run(); });
}

void KeyRotation::OnNews() {
  {
    MutexLock lock(mutex_);
    poked_ = true;
  }
  wake_.NotifyOne();
}

bool KeyRotation::Pause() {
  MutexLock lock(mutex_);
  if (!poked_ && !stopping_) wake_.WaitFor(mutex_, kInterval);
  poked_ = false;
  return !stopping_;
}

void KeyRotation::Run() {
  pthread_setname_np(pthread_self(), "keys");
  bool failing = false;
  while (Pause()) {
    const ScopedDeadline deadline(environment_.clock.Now() + kPatience);
    const absl::Status status = Step();
    if (status.ok() != failing) continue;
    failing = !status.ok();
    if (failing) {
      environment_.log.Error("cannot keep up with the signing keys", {{"error", std::string(status.message())}});
    } else {
      environment_.log.Info("keeps up with the signing keys again");
    }
  }
}

absl::Status KeyRotation::Step() {
  while (true) {
    if (absl::Status status = Refresh(); !status.ok()) return status;
    const std::vector<SigningKeyRecord> keys = ring_.records();
    for (const SigningKeyRecord& key : keys) {
      if (key.state == SigningKeyState::kPublished) WarnOfSilence(key);
    }
    const std::optional<KeyStep> step =
        NextKeyStep(keys, schedule_, environment_.clock.Now(),
                    [this](const std::string& key_id) { return environment_.verifiers.EverybodyHolds(key_id); });
    if (!step.has_value()) return absl::OkStatus();
    const absl::StatusOr<bool> done = Do(*step);
    if (!done.ok()) return done.status();
    if (!*done) return Refresh();  // another server was faster; what else is due will be the next time
  }
}

absl::StatusOr<bool> KeyRotation::Do(const KeyStep& step) {
  const std::string active = ring_.active_record().key_id;
  switch (step.kind) {
    case KeyStep::Kind::kPublish:
      return Publish(active, Nobody());
    case KeyStep::Kind::kActivate:
      return Activate(step.key_id, active, Nobody());
    case KeyStep::Kind::kDelete:
      break;
  }
  const absl::StatusOr<bool> deleted = environment_.store.keys().DeleteRetiredKey(step.key_id);
  if (deleted.ok() && *deleted) Note(step.key_id, "gone", Nobody());
  return deleted;
}

absl::StatusOr<bool> KeyRotation::Publish(const std::string& active, const AuditEvent& by) {
  const absl::StatusOr<SigningKeyRecord> key = ring_.MakeKey();
  if (!key.ok()) return key.status();
  const absl::StatusOr<bool> published = environment_.store.keys().PublishKey(*key, active);
  if (published.ok() && *published) Note(key->key_id, "published", by);
  return published;
}

absl::StatusOr<bool> KeyRotation::Activate(const std::string& key_id, const std::string& active, const AuditEvent& by) {
  const absl::StatusOr<bool> activated =
      environment_.store.keys().ActivateKey(key_id, active, environment_.clock.Now());
  if (!activated.ok() || !*activated) return activated;
  Note(key_id, "active", by);
  Note(active, "retired", by);
  return true;
}

absl::StatusOr<SigningKeyRecord> KeyRotation::Rotate(bool now, const AuditEvent& by) {
  if (absl::Status status = Refresh(); !status.ok()) return StoreFailed(status);
  const std::string active = ring_.active_record().key_id;
  if (PublishedKey(ring_.records()).empty()) {
    if (const auto published = Publish(active, by); !published.ok()) return StoreFailed(published.status());
    if (absl::Status status = Refresh(); !status.ok()) return StoreFailed(status);
  }
  const std::string key_id = PublishedKey(ring_.records());
  if (now && !key_id.empty()) {
    if (const auto done = Activate(key_id, active, by); !done.ok()) return StoreFailed(done.status());
    if (absl::Status status = Refresh(); !status.ok()) return StoreFailed(status);
  }
  // Whoever was faster has done what was asked for.
  SigningKeyRecord is_active = ring_.active_record();
  if (is_active.key_id != active) return is_active;
  for (SigningKeyRecord& key : ring_.records()) {
    if (!now && key.state == SigningKeyState::kPublished) return std::move(key);
  }
  return NotRotated();
}

absl::StatusOr<SigningKeyRecord> KeyRotation::Revoke(const std::string& key_id, const AuditEvent& by) {
  const absl::StatusOr<SigningKeyRecord> replacement = ring_.MakeKey();
  if (!replacement.ok()) return replacement.status();
  const absl::Time now = environment_.clock.Now();
  const auto revoked = environment_.store.keys().RevokeKey(key_id, *replacement, now, RevocationExpiresAt(now));
  if (absl::IsNotFound(revoked.status())) {
    return ErrorWithReason(absl::StatusCode::kNotFound, kSigningKeyNotFound,
                           absl::StrCat("there is no signing key ", key_id, " (any more)"));
  }
  if (!revoked.ok()) return StoreFailed(revoked.status());
  environment_.feed.Announce(revoked->revocation);  // whatever happens next
  Note(key_id, "compromised", by);
  if (revoked->replaced) Note(replacement->key_id, "active", by);
  const absl::Status refreshed = Refresh();
  if (!refreshed.ok() && !absl::IsFailedPrecondition(refreshed)) return StoreFailed(refreshed);
  return ring_.active_record();
}

absl::Status KeyRotation::Refresh() {
  absl::Status status = ring_.Refresh();
  AnnounceKeys();
  return status;
}

// Under a lock, so that of two who have read the keys nobody announces older ones last.
void KeyRotation::AnnounceKeys() {
  MutexLock lock(announce_mutex_);
  const uint64_t version = ring_.version();
  if (version == announced_) return;
  absl::StatusOr<KeySet> set = KeySet::FromJwks(ring_.public_jwks());
  if (!set.ok()) return environment_.log.Error("bad signing keys", {{"error", std::string(set.status().message())}});
  environment_.trust.SetKeys(*std::move(set));
  std::vector<std::string> ids;
  for (const SigningKeyRecord& record : ring_.records()) ids.push_back(record.key_id);
  environment_.verifiers.SetKeys(std::move(ids));
  environment_.feed.AnnounceKeys();
  announced_ = version;
}

void KeyRotation::Note(const std::string& key_id, absl::string_view state, const AuditEvent& by) {
  AuditEvent event = by;
  event.target.detail = absl::StrCat(key_id, " ", state);
  audit_.Record(event);
  environment_.log.Info("signing key changed", {{"key", key_id}, {"state", std::string(state)}});
}

void KeyRotation::WarnOfSilence(const SigningKeyRecord& published) {
  const absl::Duration usual = std::max(schedule_.publication_time, kUsualAcknowledgement);
  if (environment_.clock.Now() - published.changed_at < usual || warned_of_ == published.key_id) return;
  if (environment_.verifiers.EverybodyHolds(published.key_id)) return;
  warned_of_ = published.key_id;
  environment_.log.Warning("a new signing key waits for servers or verifiers that do not acknowledge it",
                           {{"key", published.key_id},
                            {"until", absl::FormatTime(published.changed_at + schedule_.acknowledgement_timeout)}});
}

}  // namespace watchword
