#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace watchword {

// The signature algorithms (RFC 7518 section 3.1, RFC 8037). The algorithm belongs to a key, never to a token.
enum class Algorithm { kEs256, kEdDsa, kRs256 };

// "ES256", "EdDSA" or "RS256".
absl::string_view AlgorithmName(Algorithm algorithm);

// A public key as text (RFC 7517), the members by their JSON names. Unchecked.
struct Jwk {
  std::string kty, kid, use, alg, crv, x, y, n, e;
};

// The thumbprint of a public key (RFC 7638): SHA-256 over its required members, base64url; empty for a key type that is
// not ours. Says nothing of `kid`, `use` and `alg`.
std::string JwkThumbprint(const Jwk& jwk);

// A checked public key with its one algorithm. Immutable and thread-safe; copies share the key.
class VerificationKey {
 public:
  // INVALID_ARGUMENT with the cause unless `jwk` is one of: EC P-256 on the curve for ES256; OKP Ed25519 for EdDSA; RSA
  // of 2,048 to 8,192 bits with an odd exponent of 3 to 2^32 - 1 for RS256; `kid` of 1 to 255 printable ASCII
  // characters; `use` empty or "sig"; `alg` empty (then the key type decides) or that algorithm.
  static absl::StatusOr<VerificationKey> FromJwk(const Jwk& jwk);

  const std::string& key_id() const;
  Algorithm algorithm() const;

  // Whether `signature`, in the form of RFC 7518 (ES256: 64 bytes r ‖ s), is this key's over `message`.
  bool Verify(absl::string_view message, absl::string_view signature) const;

 private:
  struct Impl;
  explicit VerificationKey(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

// Keys by their id. Immutable and thread-safe.
class KeySet {
 public:
  KeySet() = default;

  // INVALID_ARGUMENT naming the key if any is bad or two have the same id: a set is taken whole or not at all.
  static absl::StatusOr<KeySet> FromJwks(const std::vector<Jwk>& jwks);

  // Parses a JWK Set (RFC 7517 section 5), at most 1 MiB and 1,000 keys. Refuses it whole, with INVALID_ARGUMENT, if a
  // key is bad, holds a private or symmetric part, or shares its id with another, or if the JSON is not strict. Keys of
  // a type, use or algorithm that is not ours are left out, as the RFC says: other issuers publish encryption keys in
  // the same set.
  static absl::StatusOr<KeySet> Parse(absl::string_view json);

  // The key, or nullptr. Valid as long as this set.
  const VerificationKey* Find(absl::string_view key_id) const;

  // The id of the key whose access tokens have this header, or nullptr: for the bytes that Watchword itself writes, so
  // that they need not be parsed for each token (`alg`, `kid` and `typ`, in this order, without spaces; base64url).
  const std::string* FindByHeader(absl::string_view header) const;

  // The ids of the keys, in order.
  std::vector<std::string> key_ids() const;

  bool empty() const { return keys_.empty(); }
  size_t size() const { return keys_.size(); }

 private:
  absl::flat_hash_map<std::string, VerificationKey> keys_;
  absl::flat_hash_map<std::string, std::string> ids_by_header_;
};

}  // namespace watchword
