#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/config/config.h"

namespace watchword {

// One setting, as text: `--name` on the command line, WATCHWORD_NAME in the environment, `name` in the file.
struct Setting {
  enum class Kind { kText, kList, kSwitch, kNumber };
  std::string name;
  Kind kind;
  std::string value_name;             // shown by --help
  std::vector<std::string> fallback;  // if not set; empty: none
  std::string help;
};

// All settings, in the order in which they are shown.
const std::vector<Setting>& AllSettings();

// The value of a setting: one text, or several if it is a list. Empty: not set.
struct SettingValue {
  std::vector<std::string> texts;
  std::string source;  // "--name", "WATCHWORD_NAME", the name of the file, or "default"
};

// By name of setting; has an entry for each.
using SettingValues = std::map<std::string, SettingValue>;

// The settings that were given and where, with fallbacks for those that were not; or a text to be printed.
struct GatheredSettings {
  SettingValues values;
  bool print_config = false;
  bool migrate = false;
  std::optional<std::string> print;
};

// See ParseConfig. Looks at names only, not at values.
absl::StatusOr<GatheredSettings> GatherSettings(const std::vector<std::string>& arguments,
                                                const Variables& environment);

// The settings in the form of the file, each with where it comes from.
std::string FormatSettings(const SettingValues& values);

}  // namespace watchword
