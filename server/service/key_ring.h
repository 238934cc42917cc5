#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/crypto/signing_key.h"
#include "server/store/store.h"
#include "watchword/base/clock.h"
#include "watchword/base/random.h"
#include "watchword/base/secret.h"

namespace watchword {

// The server's secrets: the key that signs tokens, the key that refresh tokens are derived from, and the key that ties
// sessions to principals. They lie in the store, sealed under the key-encryption key of the key file. Made at first
// start.
//
// Immutable and thread-safe.
class KeyRing {
 public:
  struct Options {
    std::string key_file;
    Algorithm algorithm = Algorithm::kEs256;  // of the key that is made at first start
    bool shared = false;                      // the store is for several servers: the key file must be there
  };

  // Opens the secrets, making them if the store has none. FAILED_PRECONDITION, saying what to do, if the store has
  // secrets and the key file is missing or is not the one they were sealed with: nothing is overwritten then.
  static absl::StatusOr<std::unique_ptr<KeyRing>> Open(KeyStore& store, const Options& options, const Clock& clock,
                                                       RandomSource& random);

  // The key that signs new tokens.
  const SigningKey& active_key() const { return signing_keys_.front(); }

  // The public keys, newest first.
  std::vector<Jwk> public_jwks() const;

  const Secret& refresh_token_key() const { return refresh_token_key_; }
  const Secret& session_binding_key() const { return session_binding_key_; }

 private:
  KeyRing(std::vector<SigningKey> signing_keys, Secret refresh_token_key, Secret session_binding_key)
      : signing_keys_(std::move(signing_keys)),
        refresh_token_key_(std::move(refresh_token_key)),
        session_binding_key_(std::move(session_binding_key)) {}

  const std::vector<SigningKey> signing_keys_;  // newest first, never empty
  const Secret refresh_token_key_;
  const Secret session_binding_key_;
};

}  // namespace watchword
