#include "server/ops/line_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "spdlog/async_logger.h"
#include "spdlog/details/thread_pool.h"
#include "spdlog/sinks/sink.h"
#include "watchword/base/mutex.h"

namespace watchword {
namespace {

// How long to go on writing to somebody who does not read, once told to stop.
constexpr std::chrono::seconds kPatience{1};
constexpr int kPollMilliseconds = 50;
constexpr mode_t kMode = 0600;

// Held while a line is written to a descriptor that several may write to.
Mutex& BorrowedDescriptors() {
  static auto& mutex = *new Mutex();
  return mutex;
}

int OpenToAppend(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kMode);
}

// Signals belong to the main thread; and a closed pipe is an error to count, not a reason to die.
void BlockSignals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

// Used from one thread, but for Stop and lost.
class LineWriter::Sink final : public spdlog::sinks::sink {
 public:
  // An empty path: the descriptor is borrowed.
  Sink(int descriptor, std::string path) : path_(std::move(path)), descriptor_(descriptor) {}
  ~Sink() override {
    if (!path_.empty() && descriptor_ >= 0) close(descriptor_);
  }

  void log(const spdlog::details::log_msg& line) override {
    if (!WriteLine(line.payload.data(), line.payload.size())) lost_.fetch_add(1, std::memory_order_relaxed);
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
  bool WriteLine(const char* data, size_t size) {
    if (!path_.empty()) {
      FollowPath();
      return descriptor_ >= 0 && WriteAll(data, size);
    }
    MutexLock lock(BorrowedDescriptors());
    return WriteAll(data, size);
  }

  // Opens the file anew if the name is now that of another one, or of none.
  void FollowPath() {
    struct stat named {};
    struct stat held {};
    const bool same = descriptor_ >= 0 && stat(path_.c_str(), &named) == 0 && fstat(descriptor_, &held) == 0 &&
                      named.st_dev == held.st_dev && named.st_ino == held.st_ino;
    if (same) return;
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = OpenToAppend(path_);
  }

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

  const std::string path_;
  int descriptor_;
  std::chrono::steady_clock::time_point give_up_at_;  // set before stopping_
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> lost_{0};
};

struct LineWriter::Pipeline {
  Pipeline(int descriptor, std::string path, size_t queue_capacity)
      : sink(std::make_shared<Sink>(descriptor, std::move(path))),
        pool(std::make_shared<spdlog::details::thread_pool>(queue_capacity, 1, BlockSignals)),
        logger(std::make_shared<spdlog::async_logger>("", sink, pool, spdlog::async_overflow_policy::overrun_oldest)) {
    logger->set_level(spdlog::level::trace);
  }

  std::shared_ptr<Sink> sink;
  std::shared_ptr<spdlog::details::thread_pool> pool;  // destroyed last but one: writes what is queued, then joins
  std::shared_ptr<spdlog::async_logger> logger;
};

LineWriter::LineWriter(int descriptor, size_t queue_capacity)
    : LineWriter(std::make_unique<Pipeline>(descriptor, "", queue_capacity)) {}

LineWriter::LineWriter(std::unique_ptr<Pipeline> pipeline) : pipeline_(std::move(pipeline)) {}

absl::StatusOr<std::unique_ptr<LineWriter>> LineWriter::ToFile(const std::string& path, size_t queue_capacity) {
  const int descriptor = OpenToAppend(path);
  if (descriptor < 0) {
    return absl::FailedPreconditionError(absl::StrCat("cannot write to ", path, ": ", std::strerror(errno)));
  }
  return std::unique_ptr<LineWriter>(new LineWriter(std::make_unique<Pipeline>(descriptor, path, queue_capacity)));
}

LineWriter::~LineWriter() { pipeline_->sink->Stop(); }

void LineWriter::Write(absl::string_view line) {
  pipeline_->logger->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

uint64_t LineWriter::lost() const { return pipeline_->pool->overrun_counter() + pipeline_->sink->lost(); }

}  // namespace watchword
