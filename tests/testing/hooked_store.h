#pragma once

#include <functional>
#include <utility>

#include "server/store/store.h"

namespace watchword {

// A store that does something of a test's choosing at a certain moment, and otherwise what the one behind it does.
// Set the hooks before it is used. As thread-safe as they are.
class HookedStore final : public Store, public UserStore, public RevocationLog {
 public:
  explicit HookedStore(Store& store) : store_(store) {}

  std::function<void()> after_find_by_name;
  std::function<void()> after_get_head;
  std::function<void()> after_read_after;
  absl::Status replace_hash;  // unless it is OK, the answer of ReplaceHash

  UserStore& users() override { return *this; }
  SessionStore& sessions() override { return store_.sessions(); }
  RevocationLog& revocations() override { return *this; }
  KeyStore& keys() override { return store_.keys(); }
  LoginAttempts& login_attempts() override { return store_.login_attempts(); }
  absl::Status Ping() override { return store_.Ping(); }

  absl::StatusOr<PrincipalRecord> FindByName(absl::string_view name) override {
    auto found = store_.users().FindByName(name);
    if (after_find_by_name) after_find_by_name();
    return found;
  }
  absl::StatusOr<bool> ReplaceHash(const Uuid& id, absl::string_view old_hash, absl::string_view new_hash) override {
    if (!replace_hash.ok()) return replace_hash;
    return store_.users().ReplaceHash(id, old_hash, new_hash);
  }

  absl::Status Create(const PrincipalRecord& principal) override { return store_.users().Create(principal); }
  absl::StatusOr<PrincipalRecord> Find(const Uuid& id) override { return store_.users().Find(id); }
  absl::StatusOr<std::vector<PrincipalRecord>> List(absl::string_view after, size_t limit) override {
    return store_.users().List(after, limit);
  }
  absl::StatusOr<RevocationRecord> SetPassword(const Uuid& id, absl::string_view hash, absl::Time now,
                                               absl::Time revocation_expires_at,
                                               std::optional<int64_t> if_version) override {
    return store_.users().SetPassword(id, hash, now, revocation_expires_at, if_version);
  }
  absl::StatusOr<RevokeOutcome> SetDisabled(const Uuid& id, bool disabled, absl::Time now,
                                            absl::Time revocation_expires_at) override {
    return store_.users().SetDisabled(id, disabled, now, revocation_expires_at);
  }

  absl::StatusOr<Head> GetHead() override {
    auto head = store_.revocations().GetHead();
    if (after_get_head) after_get_head();
    return head;
  }
  absl::StatusOr<std::vector<RevocationRecord>> ReadAfter(uint64_t seq, size_t limit) override {
    auto entries = store_.revocations().ReadAfter(seq, limit);
    if (after_read_after) after_read_after();
    return entries;
  }
  absl::StatusOr<size_t> DeleteExpired(absl::Time expired_before, size_t limit) override {
    return store_.revocations().DeleteExpired(expired_before, limit);
  }
  absl::StatusOr<bool> BeginEpoch(absl::string_view old_epoch, absl::string_view new_epoch) override {
    return store_.revocations().BeginEpoch(old_epoch, new_epoch);
  }

 private:
  Store& store_;
};

}  // namespace watchword
