#pragma once

#include <cstddef>
#include <cstdint>

#include "server/ops/line_writer.h"
#include "watchword/base/clock.h"
#include "watchword/base/log.h"

namespace watchword {

// Writes one JSON object per line: `time` (RFC 3339, UTC, milliseconds), `severity`, `message`, then the fields. Text
// is escaped down to ASCII, so that nothing a caller sends can forge a line or play tricks on a terminal.
//
// Lines go through a LineWriter: if whatever reads them stops reading, the oldest are dropped and counted.
//
// Thread-safe.
class JsonLogger final : public Logger {
 public:
  struct Options {
    Severity minimum = Severity::kInfo;  // less severe messages are not written
    int descriptor = 1;                  // where to: borrowed, must stay open as long as this
    size_t queue_capacity = 4096;        // in lines
  };

  // Borrows `clock`, which must outlive this.
  explicit JsonLogger(Options options, const Clock& clock = SystemClock())
      : minimum_(options.minimum), clock_(clock), writer_(options.descriptor, options.queue_capacity) {}

  // Fields called `time`, `severity` or `message` are left out.
  void Write(Severity severity, absl::string_view message, absl::Span<const LogField> fields) override;

  // How many lines were lost so far: see LineWriter::lost.
  uint64_t dropped() const { return writer_.lost(); }

 private:
  const Severity minimum_;
  const Clock& clock_;
  LineWriter writer_;
};

}  // namespace watchword
