// JWK sets: what is taken holds keys of the promised kinds, each found by its id, and never a secret one.
#include <string>

#include "absl/strings/match.h"
#include "fuzz.h"
#include "watchword/token/jwk.h"

namespace watchword {

void Fuzz(absl::string_view input) {
  const auto set = KeySet::Parse(input);
  if (!set.ok()) return Require(set.status().code() == absl::StatusCode::kInvalidArgument);
  Require(set->key_ids().size() == set->size());
  for (const std::string& id : set->key_ids()) {
    const VerificationKey* key = set->Find(id);
    Require(key != nullptr && key->key_id() == id);
    Require(!id.empty() && id.size() <= 255);
    Require(!key->Verify("message", std::string(64, 'x')));
  }
}

}  // namespace watchword
