#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "server/crypto/signing_key.h"
#include "server/service/key_vault.h"
#include "server/store/store.h"
#include "watchword/base/clock.h"
#include "watchword/base/mutex.h"
#include "watchword/base/random.h"
#include "watchword/base/secret.h"

namespace watchword {

// The server's secrets: the keys that sign tokens, the key that refresh tokens are derived from, and the key that ties
// sessions to principals. They lie in the store, sealed under the key-encryption key of the key file. Made at first
// start.
//
// The signing keys change while the server runs, by it or by others that share the store: Refresh reads them again. A
// server of a shared store that has not been able to for a while signs nothing, since its active key may have been
// retired or revoked meanwhile.
//
// Thread-safe.
class KeyRing {
 public:
  struct Options {
    std::string key_file;
    Algorithm algorithm = Algorithm::kEs256;  // of new keys
    bool shared = false;                      // the store is for several servers: the key file must be there
  };

  // Opens the secrets, making them if the store has none, and seals under the key file's first key what is sealed under
  // one of the others. FAILED_PRECONDITION, saying what to do, if the store has secrets and the key file is missing or
  // is not the one they were sealed with: nothing is overwritten then.
  static absl::StatusOr<std::unique_ptr<KeyRing>> Open(KeyStore& store, const Options& options, const Clock& clock,
                                                       RandomSource& random);

  // The key that signs new tokens. UNAVAILABLE (STORE_UNAVAILABLE) if that is not known for sure, see above.
  absl::StatusOr<SigningKey> active_key() const;

  // The signing keys without what is sealed, newest first. There is always an active one.
  std::vector<SigningKeyRecord> records() const;
  // The active one among them.
  SigningKeyRecord active_record() const;
  // Their public keys, in the same order.
  std::vector<Jwk> public_jwks() const;
  // Grows whenever the public keys change.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Whether others may have published keys that are not known here: a server of a shared store that has not read the
  // keys for longer than it takes when all is well.
  bool may_be_behind() const;

  // Reads the signing keys again. What does not open, as when other servers have another key file, is left out, unless
  // it is the active key: FAILED_PRECONDITION in either case. Blocks; other errors are the store's.
  absl::Status Refresh();

  // A new key, to be stored.
  absl::StatusOr<SigningKeyRecord> MakeKey() { return vault_.MakeKey(options_.algorithm, clock_.Now()); }

  const Secret& refresh_token_key() const { return refresh_token_key_; }
  const Secret& session_binding_key() const { return session_binding_key_; }
  // How many secrets Open has sealed anew.
  int sealed_anew() const { return sealed_anew_; }

  // For how long a server of a shared store signs without having read the keys again.
  static constexpr absl::Duration kMaxAge = absl::Seconds(10);
  // Within which they are read again when all is well: every second, see KeyRotation.
  static constexpr absl::Duration kUsualAge = absl::Seconds(3);

 private:
  struct Held {
    SigningKeyRecord record;  // without what is sealed
    SigningKey key;
  };
  using Keys = std::vector<Held>;  // newest first

  KeyRing(KeyStore& store, const Options& options, const Clock& clock, RandomSource& random)
      : store_(store), options_(options), clock_(clock), vault_(store, options.key_file, random) {}

  absl::Status OpenSecrets();
  std::shared_ptr<const Keys> keys() const;
  // Takes what was read by the `reading`th reading, begun at `read_at`, unless a later one was faster.
  void Take(Keys keys, uint64_t reading, absl::Duration read_at);

  KeyStore& store_;
  const Options options_;
  const Clock& clock_;
  KeyVault vault_;
  Secret refresh_token_key_;  // as the next two, not changed after Open
  Secret session_binding_key_;
  int sealed_anew_ = 0;
  std::atomic<uint64_t> readings_{0};
  std::atomic<uint64_t> version_{0};
  mutable Mutex mutex_;
  std::shared_ptr<const Keys> keys_ ABSL_GUARDED_BY(mutex_) = std::make_shared<const Keys>();
  uint64_t taken_ ABSL_GUARDED_BY(mutex_) = 0;  // the reading that they are of
  absl::Duration read_at_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace watchword
