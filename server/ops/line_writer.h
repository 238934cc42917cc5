#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace watchword {

// Writes lines from a thread of its own, which a bounded queue leads to: if whatever reads them stops reading, the
// oldest lines are dropped and counted, and the service goes on.
//
// Thread-safe.
class LineWriter {
 public:
  // Writes to a descriptor, which is borrowed and must stay open as long as this. Lines of several writers on one
  // descriptor do not mix.
  LineWriter(int descriptor, size_t queue_capacity);

  // Appends to a file, which is made with mode 0600 if it is not there. If somebody moves it away (to rotate it), the
  // next line goes to a new file of that name. FAILED_PRECONDITION, naming the file, if it cannot be opened.
  static absl::StatusOr<std::unique_ptr<LineWriter>> ToFile(const std::string& path, size_t queue_capacity);

  // Writes what is queued, but waits a second at most for a reader that does not read.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // `line` ends with a newline.
  void Write(absl::string_view line);

  // How many lines were lost so far: overrun in the queue, or not written because of an error.
  uint64_t lost() const;

 private:
  struct Pipeline;
  class Sink;
  explicit LineWriter(std::unique_ptr<Pipeline> pipeline);
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace watchword
