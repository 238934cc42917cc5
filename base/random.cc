#include "watchword/base/random.h"

#include <sys/random.h>

#include <cerrno>

namespace watchword {
namespace {

class KernelRandom final : public RandomSource {
 public:
  absl::Status Fill(absl::Span<uint8_t> out) override {
    while (!out.empty()) {
      const ssize_t got = getrandom(out.data(), out.size(), 0);
      if (got < 0) {
        if (errno == EINTR) continue;
        return absl::ErrnoToStatus(errno, "getrandom failed");
      }
      out.remove_prefix(static_cast<size_t>(got));
    }
    return absl::OkStatus();
  }
};

}  // namespace

RandomSource& SystemRandom() {
  static KernelRandom source;
  return source;
}

}  // namespace watchword
