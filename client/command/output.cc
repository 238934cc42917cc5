#include "client/command/output.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace watchword {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::vector<std::string>;

std::string CellText(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_array()) {
    return absl::StrJoin(value, " ", [](std::string* out, const Json& item) { absl::StrAppend(out, CellText(item)); });
  }
  return Printable(value.is_string() ? value.get<std::string>() : value.dump());
}

std::string Label(const std::string& name) { return absl::StrReplaceAll(name, {{"_", " "}}); }

// Of one character each column, as far as that is known without tables of widths.
size_t Width(absl::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

void PrintAligned(const std::vector<Row>& rows, std::ostream& out) {
  std::vector<size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      absl::StrAppend(&line, row[i], std::string(widths[i] - Width(row[i]) + 2, ' '));
    }
    out << absl::StripTrailingAsciiWhitespace(line) << '\n';
  }
}

std::vector<Row> RowsOfObject(const Json& object) {
  std::vector<Row> rows;
  for (const auto& [name, value] : object.items()) rows.push_back({Label(name), CellText(value)});
  return rows;
}

std::vector<Row> RowsOfTable(const Json& objects) {
  std::vector<Row> rows;
  for (const auto& object : objects) {
    Row head, row;
    for (const auto& [name, value] : object.items()) {
      head.push_back(absl::AsciiStrToUpper(Label(name)));
      row.push_back(CellText(value));
    }
    if (rows.empty()) rows.push_back(head);
    rows.push_back(row);
  }
  return rows;
}

// How many bytes the UTF-8 sequence at the start of `text` has; 0 if there is none (RFC 3629 section 4).
size_t SequenceSize(absl::string_view text) {
  const auto byte = [text](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  const auto follows = [&byte](size_t i) { return byte(i) >= 0x80 && byte(i) <= 0xBF; };
  const int first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  const bool overlong = first == 0xF0 && byte(1) < 0x90;
  const bool too_high = first > 0xF4 || (first == 0xF4 && byte(1) > 0x8F);
  return first >= 0xF0 && follows(1) && follows(2) && follows(3) && !overlong && !too_high ? 4 : 0;
}

}  // namespace

void PrintResult(const Json& result, OutputFormat format, std::ostream& out) {
  if (format == OutputFormat::kJson) {
    out << result.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) << '\n';
  } else {
    PrintAligned(result.is_array() ? RowsOfTable(result) : RowsOfObject(result), out);
  }
}

std::string TimeText(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); }

std::string TimeText(const google::protobuf::Timestamp& time) {
  return time.seconds() == 0 && time.nanos() == 0 ? "" : TimeText(absl::FromUnixSeconds(time.seconds()));
}

std::string Printable(absl::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
  }
  return result;
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t size = SequenceSize(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

}  // namespace watchword
