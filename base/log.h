#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace watchword {

enum class Severity { kDebug, kInfo, kWarning, kError };

// One named value of a log line. Values are text; they may hold anything and are escaped when written.
struct LogField {
  absl::string_view name;
  std::string value;
};

// Where log lines go: a program that links the libraries decides. Never given a secret, a token or a request body.
//
// Thread-safe. Write must not block for long nor call back into the library.
class Logger {
 public:
  virtual ~Logger() = default;

  // Writes one line: `message` is a constant, what varies goes into `fields`.
  virtual void Write(Severity severity, absl::string_view message, absl::Span<const LogField> fields) = 0;

  void Debug(absl::string_view message, std::initializer_list<LogField> fields = {}) {
    Write(Severity::kDebug, message, fields);
  }
  void Info(absl::string_view message, std::initializer_list<LogField> fields = {}) {
    Write(Severity::kInfo, message, fields);
  }
  void Warning(absl::string_view message, std::initializer_list<LogField> fields = {}) {
    Write(Severity::kWarning, message, fields);
  }
  void Error(absl::string_view message, std::initializer_list<LogField> fields = {}) {
    Write(Severity::kError, message, fields);
  }
};

// "debug", "info", "warning" or "error".
absl::string_view SeverityName(Severity severity);

// Writes warnings and errors to standard error, one line each, escaped. What libraries use unless told otherwise.
Logger& StderrLogger();

}  // namespace watchword
