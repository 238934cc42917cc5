#include "server/service/key_schedule.h"

namespace watchword {

std::optional<KeyStep> NextKeyStep(const std::vector<SigningKeyRecord>& keys, const KeySchedule& schedule,
                                   absl::Time now, absl::FunctionRef<bool(const std::string& key_id)> acknowledged) {
  bool waiting = false;  // a published key is there, so there is no use for another
  bool expired = false;  // the active one has signed for long enough
  for (const SigningKeyRecord& key : keys) {
    const absl::Duration age = now - key.changed_at;
    switch (key.state) {
      case SigningKeyState::kPublished:
        if (age >= schedule.publication_time && (age >= schedule.acknowledgement_timeout || acknowledged(key.key_id))) {
          return KeyStep{KeyStep::Kind::kActivate, key.key_id};
        }
        waiting = true;
        break;
      case SigningKeyState::kActive:
        expired = age >= schedule.rotation_period;
        break;
      case SigningKeyState::kRetired:
        if (age >= kKeepRetiredKeys) return KeyStep{KeyStep::Kind::kDelete, key.key_id};
        break;
    }
  }
  if (expired && !waiting) return KeyStep{KeyStep::Kind::kPublish, ""};
  return std::nullopt;
}

}  // namespace watchword
