#include "server/service/key_ring.h"

#include <algorithm>

#include "server/service/errors.h"
#include "watchword/base/reason.h"

namespace watchword {
namespace {

constexpr absl::string_view kRefreshTokenKey = "refresh-token-key";
constexpr absl::string_view kSessionBindingKey = "session-binding-key";

template <typename Keys>
auto FindActive(const Keys& keys) {
  return std::find_if(keys.begin(), keys.end(),
                      [](const auto& held) { return held.record.state == SigningKeyState::kActive; });
}

template <typename Keys>
auto FindById(const Keys& keys, absl::string_view key_id) {
  return std::find_if(keys.begin(), keys.end(), [&](const auto& held) { return held.record.key_id == key_id; });
}

}  // namespace

absl::StatusOr<std::unique_ptr<KeyRing>> KeyRing::Open(KeyStore& store, const Options& options, const Clock& clock,
                                                       RandomSource& random) {
  std::unique_ptr<KeyRing> ring(new KeyRing(store, options, clock, random));
  if (auto status = ring->OpenSecrets(); !status.ok()) return status;
  if (auto status = ring->Refresh(); !status.ok()) return status;
  return ring;
}

absl::Status KeyRing::OpenSecrets() {
  const absl::StatusOr<std::vector<SigningKeyRecord>> records = store_.ListKeys();
  if (!records.ok()) return records.status();
  if (auto status = vault_.CheckKeyFile(records->empty(), options_.shared); !status.ok()) return status;
  for (const auto& [name, secret] :
       {std::pair(kRefreshTokenKey, &refresh_token_key_), std::pair(kSessionBindingKey, &session_binding_key_)}) {
    absl::StatusOr<Secret> opened = vault_.FindOrAddSecret(name);
    if (!opened.ok()) return opened.status();
    *secret = *std::move(opened);
  }
  // The signing key comes last: a store that has one has all the rest, so a first start that was cut short is finished
  // by the next.
  if (records->empty()) {
    const absl::StatusOr<SigningKeyRecord> key = MakeKey();
    if (!key.ok()) return key.status();
    if (auto status = store_.AddFirstKey(*key).status(); !status.ok()) return status;
  }
  const absl::StatusOr<int> sealed_anew = vault_.SealAnew({kRefreshTokenKey, kSessionBindingKey});
  if (!sealed_anew.ok()) return sealed_anew.status();
  sealed_anew_ = *sealed_anew;
  return absl::OkStatus();
}

absl::Status KeyRing::Refresh() {
  const uint64_t reading = ++readings_;
  const absl::Duration read_at = clock_.SinceBoot();
  absl::StatusOr<std::vector<SigningKeyRecord>> records = store_.ListKeys();
  if (!records.ok()) return records.status();
  const std::shared_ptr<const Keys> known = keys();
  Keys opened;
  absl::Status problem;
  for (SigningKeyRecord& record : *records) {
    const auto held = FindById(*known, record.key_id);
    absl::StatusOr<SigningKey> key = held != known->end() ? held->key : vault_.OpenKey(record);
    if (!key.ok()) {
      problem = key.status();
      continue;
    }
    record.sealed_private_key.clear();
    opened.push_back({.record = std::move(record), .key = *std::move(key)});
  }
  if (FindActive(opened) != opened.end()) {
    Take(std::move(opened), reading, read_at);
  } else if (problem.ok()) {
    problem = absl::DataLossError("the store has no active signing key: restore a backup");
  }
  return problem;
}

void KeyRing::Take(Keys keys, uint64_t reading, absl::Duration read_at) {
  auto shared = std::make_shared<const Keys>(std::move(keys));
  MutexLock lock(mutex_);
  if (reading < taken_) return;
  const bool same = std::equal(shared->begin(), shared->end(), keys_->begin(), keys_->end(),
                               [](const Held& a, const Held& b) { return a.record.key_id == b.record.key_id; });
  keys_.swap(shared);
  taken_ = reading;
  read_at_ = read_at;
  if (!same) version_.fetch_add(1, std::memory_order_release);
}

std::shared_ptr<const KeyRing::Keys> KeyRing::keys() const {
  MutexLock lock(mutex_);
  return keys_;
}

absl::StatusOr<SigningKey> KeyRing::active_key() const {
  MutexLock lock(mutex_);
  if (options_.shared && clock_.SinceBoot() - read_at_ > kMaxAge) {
    return ErrorWithReason(absl::StatusCode::kUnavailable, kStoreUnavailable,
                           "the signing keys could not be read lately, so which one signs is not known");
  }
  return FindActive(*keys_)->key;
}

bool KeyRing::may_be_behind() const {
  MutexLock lock(mutex_);
  return options_.shared && clock_.SinceBoot() - read_at_ > kUsualAge;
}

std::vector<SigningKeyRecord> KeyRing::records() const {
  std::vector<SigningKeyRecord> records;
  for (const Held& held : *keys()) records.push_back(held.record);
  return records;
}

SigningKeyRecord KeyRing::active_record() const {
  const std::shared_ptr<const Keys> held = keys();
  return FindActive(*held)->record;
}

std::vector<Jwk> KeyRing::public_jwks() const {
  std::vector<Jwk> jwks;
  for (const Held& held : *keys()) jwks.push_back(held.key.public_jwk());
  return jwks;
}

}  // namespace watchword
