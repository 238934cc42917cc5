#include "server/ops/json_log.h"

#include <string>

#include "nlohmann/json.hpp"
#include "server/ops/json_line.h"

namespace watchword {

void JsonLogger::Write(Severity severity, absl::string_view message, absl::Span<const LogField> fields) {
  if (severity < minimum_) return;
  nlohmann::ordered_json line;
  line["time"] = FormatLogTime(clock_.Now());
  line["severity"] = std::string(SeverityName(severity));
  line["message"] = std::string(message);
  for (const LogField& field : fields) line.emplace(std::string(field.name), field.value);
  writer_.Write(ToLine(line));
}

}  // namespace watchword
