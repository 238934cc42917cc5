#include "server/config/settings_file.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace watchword {
namespace {

bool IsNameCharacter(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'; }

// Reads one line from left to right.
class LineParser {
 public:
  explicit LineParser(absl::string_view line) : rest_(line) { SkipSpace(); }

  bool AtEnd() const { return rest_.empty() || rest_.front() == '#'; }

  absl::StatusOr<std::string> Name() {
    const std::string name = Word();
    if (rest_.empty() || rest_.front() != '=' || name.empty()) return Error("expected: name = value");
    rest_.remove_prefix(1);
    SkipSpace();
    return name;
  }

  absl::StatusOr<std::vector<std::string>> Value() {
    if (rest_.empty()) return Error("the value is missing");
    if (rest_.front() == '[') return Array();
    auto value = IsQuote() ? String() : Bare();
    if (!value.ok()) return value.status();
    return std::vector<std::string>{*std::move(value)};
  }

 private:
  static absl::Status Error(absl::string_view what) { return absl::InvalidArgumentError(what); }

  void SkipSpace() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }
  bool IsQuote() const { return !rest_.empty() && (rest_.front() == '"' || rest_.front() == '\''); }

  std::string Word() {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), IsNameCharacter);
    const std::string word(rest_.begin(), end);
    rest_.remove_prefix(word.size());
    SkipSpace();
    return word;
  }

  absl::StatusOr<std::string> Bare() {
    const std::string word = Word();
    const bool is_number =
        !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) { return absl::ascii_isdigit(c); });
    if (is_number || word == "true" || word == "false") return word;
    return Error("write text in quotes");
  }

  absl::StatusOr<std::string> String() {
    const char quote = rest_.front();
    std::string value;
    for (size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == quote) {
        rest_.remove_prefix(i + 1);
        SkipSpace();
        return value;
      }
      if (quote == '"' && rest_[i] == '\\') {
        ++i;
        if (i == rest_.size() || (rest_[i] != '"' && rest_[i] != '\\')) {
          return Error("only \\\" and \\\\ are known after a backslash; or write '…'");
        }
      }
      value.push_back(rest_[i]);
    }
    return Error("the closing quote is missing");
  }

  absl::StatusOr<std::vector<std::string>> Array() {
    std::vector<std::string> values;
    do {
      rest_.remove_prefix(1);
      SkipSpace();
      if (!IsQuote()) break;  // an empty array, or a comma after the last value
      auto value = String();
      if (!value.ok()) return value.status();
      values.push_back(*std::move(value));
    } while (!rest_.empty() && rest_.front() == ',');
    if (rest_.empty() || rest_.front() != ']') return Error("expected: [\"a\", \"b\"] on one line");
    rest_.remove_prefix(1);
    SkipSpace();
    return values;
  }

  absl::string_view rest_;
};

}  // namespace

absl::StatusOr<std::map<std::string, std::vector<std::string>>> ParseSettingsFile(absl::string_view text) {
  std::map<std::string, std::vector<std::string>> settings;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const auto error = [number = ++number](absl::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", what));
    };
    LineParser parser(absl::StripTrailingAsciiWhitespace(line));
    if (parser.AtEnd()) continue;
    const auto name = parser.Name();
    if (!name.ok()) return error(name.status().message());
    auto value = parser.Value();
    if (!value.ok()) return error(absl::StrCat(*name, ": ", value.status().message()));
    if (!parser.AtEnd()) return error(absl::StrCat(*name, ": something follows the value"));
    if (!settings.try_emplace(*name, *std::move(value)).second) return error(absl::StrCat(*name, " is given twice"));
  }
  return settings;
}

std::string QuoteSetting(absl::string_view text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

}  // namespace watchword
