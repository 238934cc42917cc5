#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "grpcpp/grpcpp.h"
#include "watchword/base/clock.h"
#include "watchword/base/mutex.h"
#include "watchword/v1/trust.grpc.pb.h"

namespace watchword {

// A trust service that says on each stream what a test tells it to. Thread-safe.
class ScriptedTrustService final : public v1::TrustService::CallbackService {
 public:
  // One Watch stream. Lives as long as the service.
  class Stream final : public grpc::ServerBidiReactor<v1::WatchRequest, v1::WatchResponse> {
   public:
    explicit Stream(ScriptedTrustService& service) : service_(service) { StartRead(&request_); }

    const v1::Hello& hello() const { return hello_; }

    // Waits until this was acknowledged last; false after ten seconds.
    bool WaitForAcknowledgement(uint64_t seq) {
      const absl::Duration deadline = SystemClock().SinceBoot() + absl::Seconds(10);
      MutexLock lock(mutex_);
      while (acknowledged_.empty() || acknowledged_.back().seq() != seq) {
        const absl::Duration left = deadline - SystemClock().SinceBoot();
        if (left <= absl::ZeroDuration()) return false;
        acknowledged_something_.WaitFor(mutex_, left);
      }
      return true;
    }
    std::vector<v1::Acknowledgement> acknowledgements() {
      MutexLock lock(mutex_);
      return acknowledged_;
    }

    // Sends after what was sent before.
    void Send(v1::WatchResponse response) {
      MutexLock lock(mutex_);
      queue_.push_back(std::move(response));
      if (queue_.size() == 1) StartWrite(&queue_.front());
    }
    // Ends the stream when everything is sent.
    void End() {
      MutexLock lock(mutex_);
      ending_ = true;
      FinishIfSent();
    }

    void OnReadDone(bool ok) override {
      if (!ok) return;
      if (request_.has_hello()) {
        hello_ = request_.hello();
        service_.AddStream(this);
      } else {
        MutexLock lock(mutex_);
        acknowledged_.push_back(request_.acknowledgement());
        acknowledged_something_.NotifyAll();
      }
      StartRead(&request_);
    }
    void OnWriteDone(bool) override {
      MutexLock lock(mutex_);
      queue_.pop_front();
      if (!queue_.empty()) StartWrite(&queue_.front());
      FinishIfSent();
    }
    void OnCancel() override {
      MutexLock lock(mutex_);
      ending_ = true;
      FinishIfSent();
    }
    void OnDone() override {}

   private:
    void FinishIfSent() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      if (!ending_ || finished_ || !queue_.empty()) return;
      finished_ = true;
      Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "draining"));
    }

    ScriptedTrustService& service_;
    v1::WatchRequest request_;
    v1::Hello hello_;
    Mutex mutex_;
    CondVar acknowledged_something_;
    std::vector<v1::Acknowledgement> acknowledged_ ABSL_GUARDED_BY(mutex_);
    std::deque<v1::WatchResponse> queue_ ABSL_GUARDED_BY(mutex_);
    bool ending_ ABSL_GUARDED_BY(mutex_) = false;
    bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  };

  grpc::ServerBidiReactor<v1::WatchRequest, v1::WatchResponse>* Watch(grpc::CallbackServerContext*) override {
    MutexLock lock(mutex_);
    owned_.push_back(std::make_unique<Stream>(*this));
    return owned_.back().get();
  }

  // The next stream whose Hello has come; nullptr if none comes within ten seconds.
  Stream* NextStream() {
    const absl::Duration deadline = SystemClock().SinceBoot() + absl::Seconds(10);
    MutexLock lock(mutex_);
    while (greeted_.empty()) {
      const absl::Duration left = deadline - SystemClock().SinceBoot();
      if (left <= absl::ZeroDuration()) return nullptr;
      changed_.WaitFor(mutex_, left);
    }
    Stream* stream = greeted_.front();
    greeted_.pop_front();
    return stream;
  }

 private:
  void AddStream(Stream* stream) {
    MutexLock lock(mutex_);
    greeted_.push_back(stream);
    changed_.NotifyAll();
  }

  Mutex mutex_;
  CondVar changed_;
  std::vector<std::unique_ptr<Stream>> owned_ ABSL_GUARDED_BY(mutex_);
  std::deque<Stream*> greeted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace watchword
