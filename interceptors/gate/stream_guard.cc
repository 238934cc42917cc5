#include "watchword/gate/stream_guard.h"

#include <pthread.h>

#include "watchword/gate/bearer.h"
#include "watchword/gate/peer_certificate.h"

namespace watchword {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

// Knows of the beginning and the end of one call. gRPC destroys it with the call's context, or before; the end of the
// call comes earlier unless an asynchronous server drops the context first.
class StreamInterceptor final : public grpc::experimental::Interceptor {
 public:
  StreamInterceptor(std::shared_ptr<StreamGuard> guard, ServerRpcInfo& info)
      : guard_(std::move(guard)), context_(info.server_context()), path_(info.method()) {}
  ~StreamInterceptor() override { Forget(); }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      stream_ = guard_->Watch(context_, path_);
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_CLOSE)) Forget();
    methods->Proceed();
  }

 private:
  void Forget() {
    if (stream_ != nullptr) guard_->Forget(std::exchange(stream_, nullptr));
  }

  const std::shared_ptr<StreamGuard> guard_;
  grpc::ServerContextBase* const context_;
  const std::string path_;
  std::shared_ptr<StreamGuard::Stream> stream_;
};

// Knows of the end of one call of an anonymous method.
class AnonymousInterceptor final : public grpc::experimental::Interceptor {
 public:
  AnonymousInterceptor(std::shared_ptr<StreamGuard> guard, ServerRpcInfo& info)
      : guard_(std::move(guard)), context_(info.server_context()) {}
  ~AnonymousInterceptor() override {
    if (connection_ != nullptr) guard_->EndAnonymous(connection_);
  }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      auth_context_ = context_->auth_context();
      connection_ = ConnectionOf(*context_);
      if (guard_->IsHarmful(connection_)) guard_->BreakIfHarmful(connection_, context_->peer());
    }
    methods->Proceed();
  }

 private:
  const std::shared_ptr<StreamGuard> guard_;
  grpc::ServerContextBase* const context_;
  // Held while the call counts: another connection must not get the address meanwhile, and its count.
  std::shared_ptr<const grpc::AuthContext> auth_context_;
  const void* connection_ = nullptr;
};

class StreamInterceptors final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit StreamInterceptors(std::shared_ptr<StreamGuard> guard) : guard_(std::move(guard)) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    if (guard_->IsAnonymous(info->method())) return new AnonymousInterceptor(guard_, *info);
    return info->type() == ServerRpcInfo::Type::UNARY ? nullptr : new StreamInterceptor(guard_, *info);
  }

 private:
  const std::shared_ptr<StreamGuard> guard_;
};

}  // namespace

StreamGuard::StreamGuard(std::shared_ptr<Admission> admission)
    : admission_(std::move(admission)), thread_([this] { Run(); }) {}

StreamGuard::~StreamGuard() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
}

std::shared_ptr<StreamGuard::Stream> StreamGuard::Watch(grpc::ServerContextBase* context, const std::string& path) {
  if (admission_->rules().Find(path).allow_anonymous) return nullptr;
  auto verified =
      admission_->Authenticate(AuthorizationOf(*context), [context] { return PeerCertificateOf(*context); });
  auto stream = std::make_shared<Stream>(context, path, verified.ok() ? *std::move(verified) : nullptr);
  {
    MutexLock lock(mutex_);
    streams_.insert(stream);
  }
  wake_.NotifyAll();
  return stream;
}

void StreamGuard::Forget(const std::shared_ptr<Stream>& stream) {
  {
    MutexLock lock(stream->mutex_);
    stream->context_ = nullptr;
  }
  MutexLock lock(mutex_);
  streams_.erase(stream);
}

int StreamGuard::Renew(const std::shared_ptr<const VerifiedCredential>& credential) {
  const Claims& newer = credential->claims();
  int renewed = 0;
  for (const auto& stream : Streams()) {
    MutexLock lock(stream->mutex_);
    if (stream->context_ == nullptr || stream->credential_ == nullptr) continue;
    const Claims& held = stream->credential_->claims();
    if (held.session_id != newer.session_id || held.subject != newer.subject) continue;
    if (held.certificate_sha256 != newer.certificate_sha256 || newer.expires_at < held.expires_at) continue;
    if (!Admission::CheckRule(admission_->rules().Find(stream->path_), *credential).ok()) continue;
    stream->credential_ = credential;
    ++renewed;
  }
  return renewed;
}

size_t StreamGuard::open() const {
  MutexLock lock(mutex_);
  return streams_.size();
}

std::vector<std::shared_ptr<StreamGuard::Stream>> StreamGuard::Streams() const {
  MutexLock lock(mutex_);
  return {streams_.begin(), streams_.end()};
}

void StreamGuard::Run() {
  pthread_setname_np(pthread_self(), "stream guard");
  const TrustState& trust = admission_->trust();
  std::pair<uint64_t, uint64_t> seen;
  absl::Duration since_round;
  while (true) {
    {
      MutexLock lock(mutex_);
      while (streams_.empty() && !stopping_) wake_.Wait(mutex_);
      if (!stopping_) wake_.WaitFor(mutex_, kTick);
      if (stopping_) return;
    }
    since_round += kTick;
    const std::pair<uint64_t, uint64_t> changes(trust.revocations().changes(), trust.keys_version());
    if (changes == seen && since_round < kRound) continue;
    seen = changes;
    since_round = absl::ZeroDuration();
    JudgeAll();
  }
}

void StreamGuard::JudgeAll() {
  for (const auto& stream : Streams()) Judge(*stream);
}

// Ends the stream unless it may go on. Under the stream's lock, so that its context is there: TryCancel only asks gRPC
// to cancel, and tells the interceptors, of which ours does nothing then.
void StreamGuard::Judge(Stream& stream) {
  MutexLock lock(stream.mutex_);
  if (stream.context_ == nullptr) return;
  if (stream.credential_ != nullptr && admission_->Recheck(stream.path_, *stream.credential_).ok()) return;
  ended_.fetch_add(1, std::memory_order_relaxed);  // before the client can see it
  stream.context_->TryCancel();
  stream.context_ = nullptr;  // once is enough
}

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeStreamInterceptors(
    std::shared_ptr<StreamGuard> guard) {
  return std::make_unique<StreamInterceptors>(std::move(guard));
}

}  // namespace watchword
