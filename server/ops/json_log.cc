#include "server/ops/json_log.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "spdlog/async_logger.h"
#include "spdlog/details/thread_pool.h"
#include "spdlog/sinks/sink.h"

namespace watchword {
namespace {

// How long to go on writing to somebody who does not read, once told to stop.
constexpr std::chrono::seconds kPatience{1};
constexpr int kPollMilliseconds = 50;

// Writes lines to a descriptor. Used from one thread, but for Stop and lost.
class DescriptorSink final : public spdlog::sinks::sink {
 public:
  explicit DescriptorSink(int descriptor) : descriptor_(descriptor) {}

  void log(const spdlog::details::log_msg& line) override {
    if (!WriteAll(line.payload.data(), line.payload.size())) lost_.fetch_add(1, std::memory_order_relaxed);
  }
  void flush() override {}
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

  // From now on, give up on a reader that does not read.
  void Stop() {
    give_up_at_ = std::chrono::steady_clock::now() + kPatience;
    stopping_.store(true, std::memory_order_release);
  }

  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  // A pipe that poll calls writable takes PIPE_BUF bytes without blocking; so write never blocks, and Stop is noticed.
  bool WriteAll(const char* data, size_t size) {
    while (size > 0) {
      if (!WaitUntilWritable()) return false;
      const ssize_t put = write(descriptor_, data, std::min<size_t>(size, PIPE_BUF));
      if (put < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (put <= 0) return false;
      data += put;
      size -= static_cast<size_t>(put);
    }
    return true;
  }

  bool WaitUntilWritable() {
    pollfd waited{.fd = descriptor_, .events = POLLOUT, .revents = 0};
    while (true) {
      const bool last_try =
          stopping_.load(std::memory_order_acquire) && std::chrono::steady_clock::now() >= give_up_at_;
      if (poll(&waited, 1, last_try ? 0 : kPollMilliseconds) > 0) return true;
      if (last_try) return false;
    }
  }

  const int descriptor_;
  std::chrono::steady_clock::time_point give_up_at_;  // set before stopping_
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> lost_{0};
};

// Signals belong to the main thread; and a closed pipe is an error to count, not a reason to die.
void BlockSignals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

std::string FormatLine(absl::Time time, Severity severity, absl::string_view message,
                       absl::Span<const LogField> fields) {
  nlohmann::ordered_json line;
  line["time"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
  line["severity"] = std::string(SeverityName(severity));
  line["message"] = std::string(message);
  for (const LogField& field : fields) line.emplace(std::string(field.name), field.value);
  return line.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace

struct JsonLogger::Pipeline {
  explicit Pipeline(const Options& options)
      : sink(std::make_shared<DescriptorSink>(options.descriptor)),
        pool(std::make_shared<spdlog::details::thread_pool>(options.queue_capacity, 1, BlockSignals)),
        logger(std::make_shared<spdlog::async_logger>("", sink, pool, spdlog::async_overflow_policy::overrun_oldest)) {
    logger->set_level(spdlog::level::trace);
  }

  std::shared_ptr<DescriptorSink> sink;
  std::shared_ptr<spdlog::details::thread_pool> pool;  // destroyed last but one: writes what is queued, then joins
  std::shared_ptr<spdlog::async_logger> logger;
};

JsonLogger::JsonLogger(Options options, const Clock& clock)
    : minimum_(options.minimum), clock_(clock), pipeline_(std::make_unique<Pipeline>(options)) {}

JsonLogger::~JsonLogger() { pipeline_->sink->Stop(); }

void JsonLogger::Write(Severity severity, absl::string_view message, absl::Span<const LogField> fields) {
  if (severity < minimum_) return;
  const std::string line = FormatLine(clock_.Now(), severity, message, fields);
  pipeline_->logger->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

uint64_t JsonLogger::dropped() const { return pipeline_->pool->overrun_counter() + pipeline_->sink->lost(); }

}  // namespace watchword
