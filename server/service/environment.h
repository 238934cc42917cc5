#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/crypto/password_hasher.h"
#include "server/domain/throttle_rules.h"
#include "server/service/key_ring.h"
#include "server/store/store.h"
#include "watchword/base/clock.h"
#include "watchword/base/executor.h"
#include "watchword/base/log.h"
#include "watchword/base/random.h"
#include "watchword/trust/trust_state.h"

namespace watchword {

class Feed;
class LoginThrottle;
class Verifiers;

// The rules that the operator set.
struct Settings {
  std::string issuer;
  std::vector<std::string> default_audiences;  // of a login that names none; never empty
  absl::Duration access_token_ttl = absl::Minutes(5);
  absl::Duration session_idle_timeout = absl::Hours(12);
  absl::Duration session_lifetime = absl::Hours(168);
  absl::Duration refresh_grace = absl::Seconds(10);
  size_t password_min_characters = 15;
  ThrottleLimits throttle_limits;
};

// The longest lifetime that an access token may be configured to have, so that a revocation needs to be kept no longer,
// and the most that clocks of verifiers may differ.
inline constexpr absl::Duration kMaxAccessTokenTtl = absl::Hours(1);
inline constexpr absl::Duration kMaxLeeway = absl::Minutes(2);

// What the use cases are built from. All is borrowed and must outlive them.
struct Environment {
  const Settings& settings;
  Store& store;
  Executor& store_executor;  // for all that calls `store`
  Executor& hash_executor;   // for all that calls `hasher`
  const PasswordHasher& hasher;
  const KeyRing& keys;
  LoginThrottle& throttle;
  TrustState& trust;
  Feed& feed;
  Verifiers& verifiers;
  const Clock& clock;
  RandomSource& random;
  Uuid replica;  // this server's name among those of the store, another one after each start
  Logger& log;
};

}  // namespace watchword
