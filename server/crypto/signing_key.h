#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "watchword/base/secret.h"
#include "watchword/token/jwk.h"

namespace watchword {

// A private key that signs tokens with its one algorithm. Immutable and thread-safe; copies share the key.
class SigningKey {
 public:
  // Makes a new key; an RSA key has 3,072 bits. Its id does not begin with "-", which commands would take for an
  // option. INTERNAL if OpenSSL cannot.
  static absl::StatusOr<SigningKey> Generate(Algorithm algorithm);

  // From the result of Serialize. FAILED_PRECONDITION if it is not a key for the algorithm.
  static absl::StatusOr<SigningKey> Deserialize(Algorithm algorithm, const Secret& pkcs8_der);

  // The private key as PKCS #8 DER.
  absl::StatusOr<Secret> Serialize() const;

  Algorithm algorithm() const;

  // The key id: the RFC 7638 thumbprint of the public key, base64url.
  const std::string& key_id() const;

  // The public key, with `kid`, `use` and `alg`.
  const Jwk& public_jwk() const;

  // The signature over `message` in the form of RFC 7518 (ES256: 64 bytes r ‖ s).
  absl::StatusOr<std::string> Sign(absl::string_view message) const;

 private:
  struct Impl;
  explicit SigningKey(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace watchword
