// The settings file: what is taken is text without control characters, and reads the same when it is written again.
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "fuzz.h"
#include "server/config/settings_file.h"
#include "server/config/values.h"

namespace watchword {

void Fuzz(absl::string_view input) {
  const auto parsed = ParseSettingsFile(input);
  if (!parsed.ok()) {
    Require(parsed.status().code() == absl::StatusCode::kInvalidArgument);
    Require(!absl::StrContains(parsed.status().message(), "\n"));
  } else {
    for (const auto& [name, values] : *parsed) {
      for (const std::string& value : values) {
        bool printable = true;
        for (const char c : value) printable = printable && !absl::ascii_iscntrl(static_cast<unsigned char>(c));
        if (!printable) continue;
        const auto again = ParseSettingsFile(absl::StrCat(name, " = ", QuoteSetting(value), "\n"));
        Require(again.ok() && again->at(name) == std::vector<std::string>{value});
      }
    }
  }
  const auto duration = ParseDurationSetting(input, absl::ZeroDuration(), absl::Hours(24));
  if (duration.ok()) Require(*duration >= absl::ZeroDuration() && *duration <= absl::Hours(24));
  const auto number = ParseNumberSetting(input, 1, 1000);
  if (number.ok()) Require(*number >= 1 && *number <= 1000);
  const auto memory = ParseMemorySetting(input);
  if (memory.ok()) Require(*memory >= 8 * 1024 && *memory <= 1024 * 1024);
  const auto address = ParseHostPort(input);
  if (address.ok()) Require(address->port >= 0 && address->port <= 65535);
  (void)CheckIssuer(input).ok();
}

}  // namespace watchword
