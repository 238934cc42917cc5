#pragma once

#include <string>

#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace watchword {

// RFC 3339, UTC, milliseconds.
inline std::string FormatLogTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

// The object as a line. Text is escaped down to ASCII, and what is not UTF-8 replaced.
inline std::string ToLine(const nlohmann::ordered_json& object) {
  return object.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace watchword
