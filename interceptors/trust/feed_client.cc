#include "watchword/trust/feed_client.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/client_callback.h"
#include "watchword/base/clock.h"
#include "watchword/base/mutex.h"
#include "watchword/base/random.h"
#include "watchword/credentials/call_credentials.h"
#include "watchword/trust/feed_applier.h"
#include "watchword/trust/snapshot_file.h"
#include "watchword/v1/trust.grpc.pb.h"
#include "watchword/v1/verifier.grpc.pb.h"

namespace watchword {
namespace {

constexpr absl::Duration kDropExpiredEvery = absl::Minutes(1);
constexpr size_t kUsesInReport = 1000;
constexpr absl::Duration kRejectAtMostEvery = absl::Seconds(30);

// Tells this process from others of the same name; nothing secret, so that without randomness all are told apart by
// nothing.
std::string MakeInstance() {
  std::array<uint8_t, 16> bytes{};
  if (!SystemRandom().Fill(absl::MakeSpan(bytes)).ok()) return "";
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

// One thread opens a stream, waits until it has ended or must be ended, and opens the next. The stream's messages are
// applied on gRPC's threads, one at a time.
class FeedClient::Impl {
 public:
  Impl(std::shared_ptr<grpc::ChannelInterface> channel, Options options, TrustState& trust, Logger& log)
      : stub_(v1::TrustService::NewStub(channel)),
        renewer_(v1::VerifierService::NewStub(channel)),
        options_(std::move(options)),
        trust_(trust),
        log_(log),
        applier_(trust, log),
        ready_(StartFromFile()),
        thread_([this] { Run(); }) {}

  ~Impl() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      if (renewing_ != nullptr) renewing_->TryCancel();
      changed_.NotifyAll();
    }
    thread_.join();
    SaveIfChanged();
  }

  bool WaitUntilReady(absl::Duration timeout) {
    const absl::Duration deadline = SystemClock().SinceBoot() + timeout;
    MutexLock lock(mutex_);
    while (!ready_) {
      const absl::Duration left = deadline - SystemClock().SinceBoot();
      if (left <= absl::ZeroDuration()) return false;
      changed_.WaitFor(mutex_, std::min(left, absl::Hours(1)));
    }
    return true;
  }

 private:
  class Stream;

  void Run() {
    ReconnectPause pause(options_.pauses, SystemRandom());
    while (!stopping()) Pause(pause.Next(RunStream()));
  }

  ReconnectPause::Lost RunStream();
  bool WaitWhileLive();
  void DropExpiredIfDue();
  void RenewIfDue();
  void ReportIfDue(Stream& stream);
  // Whether it is ready by what the file says.
  bool StartFromFile();
  void SaveIfDue();
  // Whether there was something to be saved.
  bool SaveIfChanged();
  void RejectTokenIfRefused(const grpc::Status& status);
  void Prepare(grpc::ClientContext& context) const {
    if (credentials_ != nullptr) context.set_credentials(credentials_);
  }
  void Pause(absl::Duration pause);

  bool stopping() {
    MutexLock lock(mutex_);
    return stopping_;
  }

  bool ended_or_stopping() {
    MutexLock lock(mutex_);
    return stream_ended_ || stopping_;
  }

  // What the stream tells, from gRPC's threads.
  void OnStreamHeard() {
    MutexLock lock(mutex_);
    heard_at_ = SystemClock().SinceBoot() - applier_.delay();
    forgetting_time_ = applier_.forgetting_time();
    if (!options_.snapshot_file.empty()) state_ = applier_.state();
    if (ready_ == applier_.ready()) return;
    ready_ = applier_.ready();
    changed_.NotifyAll();
  }
  void OnStreamEnded() {
    MutexLock lock(mutex_);
    stream_ended_ = true;
    changed_.NotifyAll();
  }

  const std::unique_ptr<v1::TrustService::Stub> stub_;
  const std::unique_ptr<v1::VerifierService::Stub> renewer_;
  const Options options_;
  const std::shared_ptr<grpc::CallCredentials> credentials_ =
      TokenCallCredentials(options_.token_source, options_.allow_plaintext_tokens);
  const std::string instance_ = MakeInstance();
  TrustState& trust_;
  Logger& log_;
  FeedApplier applier_;  // touched by the stream while there is one, else by the thread
  absl::Duration dropped_expired_at_ = SystemClock().SinceBoot();  // these are touched by the thread
  absl::Duration renewed_at_;
  absl::Duration reported_at_ = SystemClock().SinceBoot();
  absl::Duration saved_at_ = -absl::InfiniteDuration();
  std::pair<std::string, uint64_t> saved_;  // the epoch and seq in the file
  uint64_t saved_keys_version_ = 0;
  absl::Duration rejected_at_ = -absl::InfiniteDuration();

  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool stream_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool ready_ ABSL_GUARDED_BY(mutex_);
  std::optional<FeedApplier::State> state_ ABSL_GUARDED_BY(mutex_);  // to be saved
  grpc::ClientContext* renewing_ ABSL_GUARDED_BY(mutex_) = nullptr;  // while a Renew is under way
  absl::Duration heard_at_ ABSL_GUARDED_BY(mutex_);
  absl::Time forgetting_time_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();

  std::thread thread_;
};

// Reads until something is wrong. Lives until OnStreamEnded.
class FeedClient::Impl::Stream final : public grpc::ClientBidiReactor<v1::WatchRequest, v1::WatchResponse> {
 public:
  explicit Stream(Impl& impl) : impl_(impl) {
    *request_.mutable_hello() = impl_.applier_.StartStream();
    request_.mutable_hello()->set_verifier(impl_.options_.verifier);
    request_.mutable_hello()->set_instance(impl_.instance_);
    impl_.Prepare(context_);
  }

  void Start() {
    impl_.stub_->async()->Watch(&context_, this);
    AddHold();  // until EndWriting
    StartWrite(&request_);
    StartRead(&response_);
    StartCall();
  }

  void Cancel() { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) return EndWriting();
    rejected_ = impl_.applier_.Apply(response_);
    if (!rejected_.ok()) {
      Cancel();
      return EndWriting();
    }
    healthy_ = healthy_ || response_.has_heartbeat();
    impl_.OnStreamHeard();
    Acknowledge();
    StartRead(&response_);
  }

  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(mutex_);
      writing_ = false;
    }
    if (!ok) return EndWriting();
    WriteWhatIsDue();
  }

  void OnDone(const grpc::Status& status) override {
    status_ = status;
    impl_.OnStreamEnded();
  }

  void EndWriting() {
    {
      MutexLock lock(mutex_);
      if (over_) return;
      over_ = true;
    }
    RemoveHold();
  }

  // Once what a message says is applied: what is new, and that it still listens. If the one before is still being
  // written, the newest takes its turn.
  void Acknowledge() {
    auto acknowledgement = impl_.applier_.acknowledgement();
    if (!acknowledgement.has_value()) return;
    std::string encoded = acknowledgement->SerializeAsString();
    if (encoded == acknowledged_ && !response_.has_heartbeat()) return;
    acknowledged_ = std::move(encoded);
    {
      MutexLock lock(mutex_);
      due_ = *std::move(acknowledgement);
    }
    WriteWhatIsDue();
  }

  // Whether the last report has been written, so that there is room for the next.
  bool CanReport() {
    MutexLock lock(mutex_);
    return !over_ && activity_.uses_size() == 0;
  }

  // Says which sessions were used. From the client's thread, while the stream lives.
  void Report(const std::vector<SessionDirectory::Use>& uses) {
    {
      MutexLock lock(mutex_);
      for (const auto& use : uses) {
        v1::SessionUse& each = *activity_.add_uses();
        each.set_session_id(use.session_id);
        each.mutable_last_used_at()->set_seconds(absl::ToUnixSeconds(use.last_used_at));
      }
    }
    WriteWhatIsDue();
  }

  // Holds are gRPC's way to let a thread of our own begin operations: it waits for them before it calls OnDone.
  void WriteWhatIsDue() {
    MutexLock lock(mutex_);
    if (writing_ || over_) return;
    if (due_.has_value()) {
      *request_.mutable_acknowledgement() = *std::exchange(due_, std::nullopt);
    } else if (activity_.uses_size() > 0) {
      *request_.mutable_activity() = std::exchange(activity_, v1::Activity());
    } else {
      return;
    }
    writing_ = true;
    StartWrite(&request_);
  }

  // For when it has ended.
  const grpc::Status& status() const { return status_; }
  bool healthy() const { return healthy_; }
  std::string EndReason() const {
    if (!rejected_.ok()) return std::string(rejected_.message());
    return absl::StrCat(status_.error_code(), " ", status_.error_message());
  }

 private:
  Impl& impl_;
  grpc::ClientContext context_;
  v1::WatchRequest request_;  // belongs to the write under way
  v1::WatchResponse response_;
  std::string acknowledged_;  // what was acknowledged last, as bytes
  Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = true;  // the hello
  bool over_ ABSL_GUARDED_BY(mutex_) = false;    // nothing may be written any more
  v1::Activity activity_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::Acknowledgement> due_ ABSL_GUARDED_BY(mutex_);
  absl::Status rejected_;
  bool healthy_ = false;
  grpc::Status status_;
};

// Runs one stream to its end.
ReconnectPause::Lost FeedClient::Impl::RunStream() {
  {
    MutexLock lock(mutex_);
    stream_ended_ = false;
    heard_at_ = SystemClock().SinceBoot();
  }
  Stream stream(*this);
  stream.Start();
  renewed_at_ = SystemClock().SinceBoot();
  while (WaitWhileLive()) {
    DropExpiredIfDue();
    RenewIfDue();
    ReportIfDue(stream);
    SaveIfDue();
  }
  const bool silent = !ended_or_stopping();
  stream.Cancel();  // of no effect if it has ended by itself
  {
    MutexLock lock(mutex_);
    while (!stream_ended_) changed_.Wait(mutex_);
  }
  if (!stopping()) {
    log_.Warning("trust feed lost, connecting again", {{"reason", silent ? "silence" : stream.EndReason()}});
  }
  RejectTokenIfRefused(stream.status());
  if (!stream.healthy()) return ReconnectPause::Lost::kAttempt;
  const bool server_is_gone = silent || stream.status().error_code() == grpc::StatusCode::UNAVAILABLE;
  return server_is_gone ? ReconnectPause::Lost::kServer : ReconnectPause::Lost::kStream;
}

bool FeedClient::Impl::StartFromFile() {
  if (options_.snapshot_file.empty()) return false;
  const absl::Status status = ReadSnapshot(options_.snapshot_file, options_.issuer, options_.snapshot_pins, applier_);
  if (status.ok()) {
    log_.Warning("starting with what was saved, until the auth service is heard", {{"file", options_.snapshot_file}});
  } else if (status.code() != absl::StatusCode::kNotFound) {
    log_.Error("starting without what was saved", {{"error", std::string(status.message())}});
  }
  return applier_.ready();
}

void FeedClient::Impl::SaveIfDue() {
  const absl::Duration now = SystemClock().SinceBoot();
  if (now - saved_at_ < options_.save_every) return;
  if (SaveIfChanged()) saved_at_ = now;
}

// The revocations are read after the cursor: that there may be newer ones among them does no harm.
bool FeedClient::Impl::SaveIfChanged() {
  std::optional<FeedApplier::State> state;
  {
    MutexLock lock(mutex_);
    state = state_;
  }
  if (!state.has_value()) return false;
  const uint64_t keys_version = trust_.keys_version();
  if (saved_ == std::pair(state->epoch, state->seq) && saved_keys_version_ == keys_version) return true;
  const absl::Status status = WriteSnapshot(options_.snapshot_file, options_.issuer, *state, trust_.revocations());
  if (!status.ok()) {
    log_.Error("what is known cannot be saved", {{"error", std::string(status.message())}});
    return true;
  }
  saved_ = {state->epoch, state->seq};
  saved_keys_version_ = keys_version;
  return true;
}

void FeedClient::Impl::ReportIfDue(Stream& stream) {
  const absl::Duration now = SystemClock().SinceBoot();
  if (options_.sessions == nullptr || now - reported_at_ < options_.report_every || !stream.CanReport()) return;
  reported_at_ = now;
  stream.Report(options_.sessions->TakeUses(kUsesInReport));
}

// The session of our own credential may have been ended: another login may mend that. Not for ever, one after the
// other.
void FeedClient::Impl::RejectTokenIfRefused(const grpc::Status& status) {
  const absl::Duration now = SystemClock().SinceBoot();
  if (options_.token_source == nullptr || status.error_code() != grpc::StatusCode::UNAUTHENTICATED ||
      now - rejected_at_ < kRejectAtMostEvery) {
    return;
  }
  rejected_at_ = now;
  if (const auto token = options_.token_source->GetToken(absl::ZeroDuration()); token.ok()) {
    options_.token_source->Reject(*token);
  }
}

// Waits for something to happen; false if the stream has ended or must be ended.
bool FeedClient::Impl::WaitWhileLive() {
  MutexLock lock(mutex_);
  const absl::Duration left = heard_at_ + options_.silence_limit - SystemClock().SinceBoot();
  if (stopping_ || stream_ended_ || left <= absl::ZeroDuration()) return false;
  changed_.WaitFor(mutex_, left);
  return true;
}

void FeedClient::Impl::DropExpiredIfDue() {
  const absl::Duration now = SystemClock().SinceBoot();
  if (now - dropped_expired_at_ < kDropExpiredEvery) return;
  dropped_expired_at_ = now;
  absl::Time forgetting_time;
  {
    MutexLock lock(mutex_);
    forgetting_time = forgetting_time_;
  }
  trust_.revocations().DropExpired(forgetting_time);
}

// The server ends a stream when the credential that it began with expires. Waits for the answer: nothing else is due
// meanwhile.
void FeedClient::Impl::RenewIfDue() {
  const absl::Duration now = SystemClock().SinceBoot();
  if (credentials_ == nullptr || now - renewed_at_ < options_.renew_every) return;
  renewed_at_ = now;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(1));
  Prepare(context);
  {
    MutexLock lock(mutex_);
    if (stopping_) return;
    renewing_ = &context;
  }
  v1::RenewResponse response;
  const grpc::Status status = renewer_->Renew(&context, v1::RenewRequest(), &response);
  MutexLock lock(mutex_);
  renewing_ = nullptr;
  if (!status.ok() && !stopping_) {
    log_.Warning("the trust feed could not be renewed; it is connected again when its credential expires",
                 {{"error", status.error_message()}});
  }
}

void FeedClient::Impl::Pause(absl::Duration pause) {
  const absl::Duration until = SystemClock().SinceBoot() + pause;
  MutexLock lock(mutex_);
  while (!stopping_) {
    const absl::Duration left = until - SystemClock().SinceBoot();
    if (left <= absl::ZeroDuration()) return;
    changed_.WaitFor(mutex_, left);
  }
}

FeedClient::FeedClient(std::shared_ptr<grpc::ChannelInterface> channel, Options options, TrustState& trust, Logger& log)
    : impl_(std::make_unique<Impl>(std::move(channel), std::move(options), trust, log)) {}

FeedClient::~FeedClient() = default;

bool FeedClient::WaitUntilReady(absl::Duration timeout) { return impl_->WaitUntilReady(timeout); }

}  // namespace watchword
