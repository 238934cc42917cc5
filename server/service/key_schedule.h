#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "server/service/environment.h"
#include "server/store/records.h"

namespace watchword {

// When signing keys change, as the operator has set it.
struct KeySchedule {
  absl::Duration rotation_period = absl::Hours(30 * 24);  // of the active key; infinite: never by itself
  // For at least how long a key is public before it signs: for those who fetch the keys now and then and do not say
  // what they hold.
  absl::Duration publication_time = absl::Minutes(30);
  absl::Duration acknowledgement_timeout = absl::Hours(24);  // how long to wait for verifiers that do not acknowledge
};

// How long a key is kept after it was retired: until the last token has expired that it can have signed, by the clock
// of any verifier. A server that cannot read the keys goes on signing for a few seconds, hence the last minute.
inline const absl::Duration kKeepRetiredKeys = kMaxAccessTokenTtl + kMaxLeeway + absl::Minutes(1);

// What is due.
struct KeyStep {
  enum class Kind { kPublish, kActivate, kDelete };
  Kind kind;
  std::string key_id;  // of the key to activate or delete
};

// The next thing to do with these keys, of which one is active; nothing if nothing is due. `acknowledged` says whether
// everybody who says so holds a key.
std::optional<KeyStep> NextKeyStep(const std::vector<SigningKeyRecord>& keys, const KeySchedule& schedule,
                                   absl::Time now, absl::FunctionRef<bool(const std::string& key_id)> acknowledged);

}  // namespace watchword
