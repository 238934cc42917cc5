#pragma once

#include <memory>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "watchword/token/credential.h"
#include "watchword/token/jwk.h"

namespace watchword {

// So that test names say "ES256".
inline void PrintTo(Algorithm algorithm, std::ostream* out) { *out << AlgorithmName(algorithm); }

// A new key pair, and whatever tokens a test wants signed with it. Knows nothing of what a verifier accepts.
//
// Thread-safe.
class TestSigner {
 public:
  explicit TestSigner(Algorithm algorithm, std::string key_id = "test-key");

  // The public key, with `use` and `alg`.
  const Jwk& jwk() const { return jwk_; }

  // A set of this key alone.
  KeySet keys() const { return KeySet::FromJwks({jwk_}).value(); }

  // The header of a good access token: {"alg":…,"kid":…,"typ":"at+jwt"}.
  std::string Header() const;

  // The compact form of a token with this header and payload, taken as they are and signed with the key's algorithm.
  std::string Sign(absl::string_view header, absl::string_view payload) const;

  // The signature over `message`, in the form of RFC 7518.
  std::string SignBytes(absl::string_view message) const;

 private:
  Algorithm algorithm_;
  std::shared_ptr<void> key_;
  Jwk jwk_;
};

inline constexpr absl::string_view kTestIssuer = "https://issuer.test";
inline constexpr absl::string_view kTestAudience = "orders";

// The claims of a good access token: of kTestIssuer for kTestAudience, issued `now` and good for five minutes, for a
// user with the scopes "orders.read" and "orders.write". Subject and session are UUIDs.
Claims GoodClaims(absl::Time now);

// The claims as JSON, as the auth service writes them: times in whole seconds, what is empty left out.
std::string ClaimsJson(const Claims& claims);

// A token with these claims.
std::string MintToken(const TestSigner& signer, const Claims& claims);

}  // namespace watchword
