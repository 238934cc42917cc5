#include "watchword/trust/revocations.h"

#include <algorithm>
#include <limits>

namespace watchword {
namespace {

bool MayBeForgotten(absl::Time expires_at, absl::Time now) { return expires_at + kRevocationMargin <= now; }

bool MayBeForgotten(uint32_t expires_at, absl::Time now) {
  return MayBeForgotten(absl::FromUnixSeconds(expires_at), now);
}

// Rounded up, and no later than 2106.
uint32_t ToSeconds(absl::Time time) {
  const int64_t seconds = absl::ToUnixSeconds(time + absl::Seconds(1) - absl::Nanoseconds(1));
  return static_cast<uint32_t>(std::clamp<int64_t>(seconds, 0, std::numeric_limits<uint32_t>::max()));
}

// Erases the entries of `map` for which `expired` holds.
template <typename Map, typename Predicate>
void EraseIf(Map& map, Predicate expired) {
  for (auto it = map.begin(); it != map.end();) {
    if (expired(it->second)) {
      map.erase(it++);
    } else {
      ++it;
    }
  }
}

}  // namespace

void RevocationSet::Add(const Revocation& revocation, absl::Time now) {
  if (MayBeForgotten(revocation.expires_at, now)) return;
  const ExpirySeconds expires_at = ToSeconds(revocation.expires_at);
  std::visit([&](const auto& target) { AddTarget(target, expires_at); }, revocation.target);
  changes_.fetch_add(1, std::memory_order_release);
}

void RevocationSet::AddTarget(const Revocation::Session& session, ExpirySeconds expires_at) {
  Shard& shard = shards_[ShardOf(session.id)];
  MutexLock lock(shard.mutex);
  ExpirySeconds& held = shard.sessions.try_emplace(session.id, expires_at).first->second;
  held = std::max(held, expires_at);
}

void RevocationSet::AddTarget(const Revocation::Principal& principal, ExpirySeconds expires_at) {
  const size_t index = ShardOf(principal.id);
  Shard& shard = shards_[index];
  MutexLock lock(shard.mutex);
  PrincipalEntry& held =
      shard.principals.try_emplace(principal.id, PrincipalEntry{principal.began_until, expires_at}).first->second;
  held.began_until = std::max(held.began_until, principal.began_until);
  held.expires_at = std::max(held.expires_at, expires_at);
  principal_counts_[index].store(shard.principals.size(), std::memory_order_release);
}

void RevocationSet::AddTarget(const Revocation::Key& key, ExpirySeconds expires_at) {
  MutexLock lock(keys_mutex_);
  ExpirySeconds& held = keys_.try_emplace(key.id, expires_at).first->second;
  held = std::max(held, expires_at);
  key_count_.store(keys_.size(), std::memory_order_release);
}

bool RevocationSet::IsKeyRevoked(absl::string_view key_id) const {
  if (key_count_.load(std::memory_order_acquire) == 0) return false;
  MutexLock lock(keys_mutex_);
  return keys_.contains(key_id);
}

bool RevocationSet::IsSessionRevoked(const Uuid& session) const {
  const Shard& shard = shards_[ShardOf(session)];
  MutexLock lock(shard.mutex);
  return shard.sessions.contains(session);
}

bool RevocationSet::IsPrincipalRevoked(const Uuid& principal, absl::Time session_began) const {
  const size_t index = ShardOf(principal);
  if (principal_counts_[index].load(std::memory_order_acquire) == 0) return false;
  const Shard& shard = shards_[index];
  MutexLock lock(shard.mutex);
  const auto found = shard.principals.find(principal);
  return found != shard.principals.end() && session_began <= found->second.began_until;
}

bool RevocationSet::IsRevoked(const VerifiedCredential& credential) const {
  const auto& session = credential.session_uuid();
  if (session.has_value() && IsSessionRevoked(*session)) return true;
  const auto& principal = credential.principal_uuid();
  if (principal.has_value() && IsPrincipalRevoked(*principal, credential.session_began())) return true;
  return IsKeyRevoked(credential.key_id());
}

void RevocationSet::DropExpired(absl::Time now) {
  for (size_t i = 0; i < kShards; ++i) {
    Shard& shard = shards_[i];
    MutexLock lock(shard.mutex);
    EraseIf(shard.sessions, [now](ExpirySeconds expires_at) { return MayBeForgotten(expires_at, now); });
    EraseIf(shard.principals, [now](const PrincipalEntry& entry) { return MayBeForgotten(entry.expires_at, now); });
    principal_counts_[i].store(shard.principals.size(), std::memory_order_release);
  }
  MutexLock lock(keys_mutex_);
  EraseIf(keys_, [now](ExpirySeconds expires_at) { return MayBeForgotten(expires_at, now); });
  key_count_.store(keys_.size(), std::memory_order_release);
}

void RevocationSet::ForEach(absl::FunctionRef<void(const Revocation&)> visit) const {
  for (const Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    for (const auto& [id, expires_at] : shard.sessions) {
      visit({.target = Revocation::Session{id}, .expires_at = absl::FromUnixSeconds(expires_at)});
    }
    for (const auto& [id, entry] : shard.principals) {
      visit({.target = Revocation::Principal{id, entry.began_until},
             .expires_at = absl::FromUnixSeconds(entry.expires_at)});
    }
  }
  MutexLock lock(keys_mutex_);
  for (const auto& [id, expires_at] : keys_) {
    visit({.target = Revocation::Key{id}, .expires_at = absl::FromUnixSeconds(expires_at)});
  }
}

size_t RevocationSet::size() const {
  size_t size = key_count_.load(std::memory_order_acquire);
  for (const Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    size += shard.sessions.size() + shard.principals.size();
  }
  return size;
}

}  // namespace watchword
