#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "watchword/base/random.h"

namespace watchword {

// A UUID (RFC 9562): 16 bytes. New ones are version 7, whose first 48 bits are milliseconds since 1970, so that they
// sort by age. A value type.
class Uuid {
 public:
  static constexpr size_t kSize = 16;

  // The nil UUID.
  Uuid() = default;

  // A new version 7 UUID for the time `now`. Fails if there is no randomness.
  static absl::StatusOr<Uuid> NewV7(absl::Time now, RandomSource& random);

  // Parses the canonical form, 36 lower-case characters. INVALID_ARGUMENT otherwise.
  static absl::StatusOr<Uuid> Parse(absl::string_view text);

  // From its 16 bytes. INVALID_ARGUMENT if there are not 16.
  static absl::StatusOr<Uuid> FromBytes(absl::string_view bytes);

  // The canonical form.
  std::string ToString() const;

  // The 16 bytes, valid as long as this object.
  absl::string_view bytes() const {
    return absl::string_view(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
  }

  // Whether this is a version 7 UUID.
  bool IsV7() const { return (bytes_[6] >> 4) == 7 && (bytes_[8] >> 6) == 2; }

  // The time in a version 7 UUID, in whole milliseconds.
  absl::Time V7Time() const;

  friend bool operator==(const Uuid&, const Uuid&) = default;
  friend auto operator<=>(const Uuid&, const Uuid&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const Uuid& uuid) {
    return H::combine(std::move(h), uuid.bytes_);
  }

 private:
  std::array<uint8_t, kSize> bytes_{};
};

}  // namespace watchword
