#include "watchword/base/log.h"

#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace watchword {
namespace {

class StderrWriter final : public Logger {
 public:
  void Write(Severity severity, absl::string_view message, absl::Span<const LogField> fields) override {
    if (severity < Severity::kWarning) return;
    std::string line = absl::StrCat("watchword: ", SeverityName(severity), ": ", absl::CHexEscape(message));
    for (const LogField& field : fields) absl::StrAppend(&line, " ", field.name, "=", absl::CHexEscape(field.value));
    line.push_back('\n');
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
};

}  // namespace

absl::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return "debug";
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "error";
}

Logger& StderrLogger() {
  static StderrWriter logger;
  return logger;
}

}  // namespace watchword
