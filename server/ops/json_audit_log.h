#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/ops/line_writer.h"
#include "server/service/audit_log.h"
#include "watchword/base/clock.h"

namespace watchword {

// Writes each security event as one JSON object per line, to a file or among the lines of the log, from which `"log":
// "audit"` tells it. docs/audit.md describes the fields. Text is escaped down to ASCII and cut to kMaxText bytes, so
// that a line is never so long that it could be torn.
//
// Thread-safe.
class JsonAuditLog final : public AuditLog {
 public:
  struct Options {
    std::string file;                // empty: to `descriptor`
    int descriptor = 1;              // borrowed: must stay open as long as this
    size_t queue_capacity = 16'384;  // in lines
  };
  static constexpr size_t kMaxText = 255;

  // FAILED_PRECONDITION, naming the file, if it cannot be opened. Borrows `clock`, which must outlive this.
  static absl::StatusOr<std::unique_ptr<JsonAuditLog>> Open(const Options& options, const Clock& clock = SystemClock());

  void Record(const AuditEvent& event) override;

  // How many events were recorded, and how many of them are lost.
  uint64_t recorded() const { return recorded_.load(std::memory_order_relaxed); }
  uint64_t lost() const { return writer_->lost(); }

 private:
  JsonAuditLog(std::unique_ptr<LineWriter> writer, const Clock& clock) : clock_(clock), writer_(std::move(writer)) {}

  const Clock& clock_;
  std::atomic<uint64_t> recorded_{0};
  std::unique_ptr<LineWriter> writer_;
};

}  // namespace watchword
