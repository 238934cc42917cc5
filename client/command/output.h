#pragma once

#include <ostream>
#include <string>

#include <google/protobuf/timestamp.pb.h>
#include <nlohmann/json.hpp>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace watchword {

enum class OutputFormat { kText, kJson };

// Writes what a command found out: one JSON document, or its text form. The text of an object is a line for each
// member; that of an array of objects with the same members is a table with a column for each.
void PrintResult(const nlohmann::ordered_json& result, OutputFormat format, std::ostream& out);

// RFC 3339 in UTC, to the second; "" for a time that is not set.
std::string TimeText(const google::protobuf::Timestamp& time);
std::string TimeText(absl::Time time);

// `text` with control characters replaced, so that what a server says cannot steer a terminal or add a line.
std::string Printable(absl::string_view text);

// Whether `text` is valid UTF-8, which is all that a protobuf string may hold.
bool IsUtf8(absl::string_view text);

}  // namespace watchword
