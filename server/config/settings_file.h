#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace watchword {

// Parses the part of TOML that a list of settings needs: comments, and lines `name = value`, where a value is a string
// ("…" with \" and \\, or '…'), an integer, true, false, or an array of strings on one line. INVALID_ARGUMENT, naming
// the line, for anything else and for a name given twice.
//
// (CLI11's own reader cuts a value at "#" even inside quotes, splits it at a space, and skips what it does not
// understand: none of which a security setting should meet.)
absl::StatusOr<std::map<std::string, std::vector<std::string>>> ParseSettingsFile(absl::string_view text);

// A string as TOML writes it. `text` must not contain control characters.
std::string QuoteSetting(absl::string_view text);

}  // namespace watchword
