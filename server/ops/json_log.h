#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "watchword/base/clock.h"
#include "watchword/base/log.h"

namespace watchword {

// Writes one JSON object per line: `time` (RFC 3339, UTC, milliseconds), `severity`, `message`, then the fields. Text
// is escaped down to ASCII, so that nothing a caller sends can forge a line or play tricks on a terminal.
//
// Lines go through a bounded queue to a thread of its own: if whatever reads them stops reading, the oldest lines are
// dropped and counted, and the service goes on.
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
  explicit JsonLogger(Options options, const Clock& clock = SystemClock());
  // Writes what is queued, but waits a second at most for a reader that does not read.
  ~JsonLogger() override;
  JsonLogger(const JsonLogger&) = delete;
  JsonLogger& operator=(const JsonLogger&) = delete;

  // Fields called `time`, `severity` or `message` are left out.
  void Write(Severity severity, absl::string_view message, absl::Span<const LogField> fields) override;

  // How many lines were lost so far: overrun in the queue, or not written because of an error.
  uint64_t dropped() const;

 private:
  struct Pipeline;
  const Severity minimum_;
  const Clock& clock_;
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace watchword
