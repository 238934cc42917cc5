#include "server/domain/refresh_rules.h"

namespace watchword {

RefreshVerdict JudgeRefresh(int64_t presented_generation, int64_t newest_generation, absl::Time rotated_at,
                            absl::Time now, absl::Duration grace) {
  if (presented_generation == newest_generation) return RefreshVerdict::kRotate;
  // Another replica's clock may be ahead of ours, hence the absolute value; but a clock that somebody set back must not
  // make the grace period any longer.
  const bool in_grace = absl::AbsDuration(now - rotated_at) < grace;
  if (presented_generation == newest_generation - 1 && in_grace) return RefreshVerdict::kRepeat;
  return RefreshVerdict::kReused;
}

}  // namespace watchword
