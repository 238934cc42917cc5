#include "watchword/trust/reconnect_pause.h"

#include <algorithm>
#include <cstdint>

namespace watchword {

absl::Duration ReconnectPause::Next(Lost lost) {
  if (lost == Lost::kAttempt) {
    backoff_ = std::min(2 * backoff_, limits_.max_backoff);
    return PartOf(backoff_);
  }
  backoff_ = limits_.min_backoff;
  return PartOf(lost == Lost::kServer ? limits_.spread : limits_.min_backoff);
}

absl::Duration ReconnectPause::PartOf(absl::Duration limit) {
  uint32_t random = 0;
  if (!random_.Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(&random), sizeof random)).ok()) return limit;
  return limit * (random / 4294967296.0);
}

}  // namespace watchword
