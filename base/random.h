#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace watchword {

// Where unpredictable bytes come from. Passed to whatever needs chance, so that tests can decide it.
//
// Thread-safe.
class RandomSource {
 public:
  virtual ~RandomSource() = default;

  // Fills `out`, or returns INTERNAL and leaves it unusable: then no secret may be made from it.
  [[nodiscard]] virtual absl::Status Fill(absl::Span<uint8_t> out) = 0;
};

// The kernel's random number generator, getrandom(2).
RandomSource& SystemRandom();

}  // namespace watchword
