#pragma once

#include <atomic>
#include <cstdint>

#include "watchword/base/random.h"

namespace watchword {

// Gives the bytes 0, 1, 2, … 255, 0, … and counts how many it gave. Thread-safe.
class FakeRandom final : public RandomSource {
 public:
  absl::Status Fill(absl::Span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(given_++);
    return absl::OkStatus();
  }

  uint64_t given() const { return given_; }

 private:
  std::atomic<uint64_t> given_ = 0;
};

// Has no randomness to give. Thread-safe.
class FailingRandom final : public RandomSource {
 public:
  absl::Status Fill(absl::Span<uint8_t>) override { return absl::InternalError("no randomness"); }
};

}  // namespace watchword
