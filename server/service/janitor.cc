#include "server/service/janitor.h"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace watchword {
namespace {

constexpr absl::Duration kInterval = absl::Seconds(10);
constexpr absl::Duration kPauseBetweenBatches = absl::Milliseconds(50);
constexpr int kPauseFactor = 10;  // at most a tenth of the time is spent deleting
constexpr absl::Duration kLease = absl::Seconds(60);
constexpr size_t kDeletedAtATime = 50;  // up to a thousand rows a second: more than logins make
constexpr size_t kNotedAtATime = 200;

// Rows outlive their session for a while, so that a client that comes late is told TOKEN_EXPIRED or TOKEN_REVOKED.
constexpr absl::Duration kKeepSessions = absl::Hours(24);

}  // namespace

Janitor::Janitor(const Environment& environment, SessionCache& sessions)
    : environment_(environment), sessions_(sessions), thread_([this] { Run(); }) {}

Janitor::~Janitor() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
  WriteBackActivity();
}

void Janitor::CleanUp() {
  const absl::Time now = environment_.clock.Now();
  WriteBackActivity();
  environment_.trust.revocations().DropExpired(now);
  DeleteExpired("sessions",
                [&] { return environment_.store.sessions().DeleteExpired(now - kKeepSessions, kDeletedAtATime); });
  DeleteExpired("login attempts",
                [&] { return environment_.store.login_attempts().DeleteExpired(now, kDeletedAtATime); });
  DeleteExpired("revocations", [&] { return environment_.store.revocations().DeleteExpired(now, kDeletedAtATime); });
}

void Janitor::DeleteExpired(absl::string_view what, absl::AnyInvocable<absl::StatusOr<size_t>()> delete_batch) {
  while (MayDelete()) {
    const absl::Duration began = environment_.clock.SinceBoot();
    const absl::StatusOr<size_t> deleted = delete_batch();
    if (!deleted.ok()) {
      environment_.log.Warning("cannot delete what has expired",
                               {{"what", std::string(what)}, {"error", std::string(deleted.status().message())}});
      return;
    }
    // A store that is slow has other things to do.
    const absl::Duration took = environment_.clock.SinceBoot() - began;
    if (*deleted < kDeletedAtATime || !Pause(std::max(kPauseBetweenBatches, took * kPauseFactor))) return;
  }
}

bool Janitor::MayDelete() {
  Replicas* const replicas = environment_.store.replicas();
  if (replicas == nullptr) return true;
  const absl::Duration now = environment_.clock.SinceBoot();
  if (now < may_delete_until_) return true;
  const absl::StatusOr<bool> acquired = replicas->AcquireLease("janitor", environment_.replica, kLease);
  if (!acquired.ok()) {
    environment_.log.Warning("cannot ask who deletes what has expired",
                             {{"error", std::string(acquired.status().message())}});
    return false;
  }
  if (*acquired) may_delete_until_ = now + kLease / 2;
  return *acquired;
}

void Janitor::Run() {
  pthread_setname_np(pthread_self(), "janitor");
  while (Pause(kInterval)) CleanUp();
}

void Janitor::WriteBackActivity() {
  const std::vector<SessionStore::Activity> activities = sessions_.TakeActivities();
  absl::Span<const SessionStore::Activity> left = activities;
  while (!left.empty()) {
    const auto batch = left.subspan(0, std::min(left.size(), kNotedAtATime));
    if (auto status = environment_.store.sessions().NoteActivity(batch); !status.ok()) {
      // The next use of these sessions is written again; only idle time-outs may come early until then.
      environment_.log.Warning("cannot write back when sessions were used", {{"error", std::string(status.message())}});
      return;
    }
    left.remove_prefix(batch.size());
  }
}

bool Janitor::Pause(absl::Duration duration) {
  MutexLock lock(mutex_);
  if (!stopping_) wake_.WaitFor(mutex_, duration);
  return !stopping_;
}

}  // namespace watchword
