#include "watchword/client/token_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <thread>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "watchword/base/file.h"
#include "watchword/base/mutex.h"
#include "watchword/base/random.h"
#include "watchword/client/session_client.h"

namespace watchword {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(10);
constexpr absl::Duration kMinBackoff = absl::Seconds(1);
constexpr absl::Duration kMaxBackoff = absl::Seconds(30);
constexpr size_t kMaxFileSize = 16 << 10;

absl::Time FromProto(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

// Between half of `limit` and all of it.
absl::Duration Jittered(absl::Duration limit) {
  uint16_t random = 0;
  if (!SystemRandom().Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(&random), sizeof random)).ok()) return limit;
  return limit / 2 + limit * (random / 131072.0);
}

// One thread logs in and refreshes; callers read what it has, or wait for it.
class LoginTokenSource final : public TokenSource {
 public:
  LoginTokenSource(const std::shared_ptr<grpc::ChannelInterface>& channel,
                   std::function<absl::StatusOr<Password>()> password, TokenRequest request, const Clock& clock)
      : client_(channel, kCallTimeout),
        password_(std::move(password)),
        request_(std::move(request)),
        clock_(clock),
        thread_([this] { Run(); }) {}

  ~LoginTokenSource() override {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    changed_.NotifyAll();
    thread_.join();
  }

  absl::StatusOr<std::string> GetToken(absl::Duration timeout) override {
    const absl::Duration deadline = clock_.SinceBoot() + timeout;
    MutexLock lock(mutex_);
    while (true) {
      const absl::Time now = clock_.Now();
      if (now < token_.wait_from) return token_.credential;
      wanted_ = true;
      changed_.NotifyAll();
      // Whoever comes while an attempt has failed and the next is not due is not kept waiting.
      if (!error_.ok()) {
        if (now < token_.expires_at) return token_.credential;
        return error_;
      }
      const absl::Duration left = deadline - clock_.SinceBoot();
      if (left <= absl::ZeroDuration()) {
        if (now < token_.expires_at) return token_.credential;
        return absl::DeadlineExceededError("the auth service has not answered in time");
      }
      changed_.WaitFor(mutex_, std::min(left, absl::Seconds(1)));
    }
  }

  void Reject(absl::string_view credential) override {
    MutexLock lock(mutex_);
    if (token_.credential != credential) return;
    token_.wait_from = token_.renew_from = token_.expires_at = absl::InfinitePast();
    changed_.NotifyAll();
  }

 private:
  struct Token {
    std::string credential;
    std::string refresh_token;
    absl::Time renew_from = absl::InfinitePast();  // in the background
    absl::Time wait_from = absl::InfinitePast();   // callers wait for the next one
    absl::Time expires_at = absl::InfinitePast();
  };

  // From the answer of Login or Refresh.
  template <typename Response>
  Token ToToken(const Response& response) const {
    const absl::Time expires_at = FromProto(response.expires_at());
    const absl::Duration lifetime = std::max(expires_at - clock_.Now(), absl::ZeroDuration());
    return {.credential = response.credential(),
            .refresh_token = response.refresh_token(),
            .renew_from = expires_at - std::min(absl::Minutes(1), lifetime / 2),
            .wait_from = expires_at - std::min(absl::Seconds(30), lifetime / 4),
            .expires_at = expires_at};
  }

  void Run() {
    absl::Duration backoff = kMinBackoff;
    while (WaitUntilDue()) {
      absl::StatusOr<Token> next = Renew();
      absl::Duration pause;
      {
        MutexLock lock(mutex_);
        error_ = next.status();
        if (next.ok()) {
          token_ = *std::move(next);
          backoff = kMinBackoff;
        } else {
          pause = Jittered(backoff);
          backoff = std::min(2 * backoff, kMaxBackoff);
        }
      }
      changed_.NotifyAll();
      if (pause > absl::ZeroDuration()) Pause(pause);
    }
  }

  // Whether there is something to do; false at the end.
  bool WaitUntilDue() {
    MutexLock lock(mutex_);
    while (!stopping_ && (!wanted_ || clock_.Now() < token_.renew_from)) changed_.WaitFor(mutex_, absl::Seconds(1));
    return !stopping_;
  }

  void Pause(absl::Duration pause) {
    const absl::Duration until = clock_.SinceBoot() + pause;
    MutexLock lock(mutex_);
    while (!stopping_ && clock_.SinceBoot() < until) changed_.WaitFor(mutex_, absl::Milliseconds(100));
    error_ = absl::OkStatus();  // the next attempt is due: callers may wait for it
  }

  absl::StatusOr<Token> Renew() {
    std::string refresh_token;
    {
      MutexLock lock(mutex_);
      refresh_token = token_.refresh_token;
    }
    if (!refresh_token.empty()) {
      const auto refreshed = client_.Refresh(refresh_token);
      if (refreshed.ok()) return ToToken(*refreshed);
      if (refreshed.status().code() != absl::StatusCode::kUnauthenticated) return refreshed.status();
      // The session is over, whoever ended it.
    }
    absl::StatusOr<Password> password = password_();
    if (!password.ok()) return password.status();
    v1::LoginRequest request;
    request.set_username(password->username);
    request.set_password(std::string(password->password.Reveal()));
    request.mutable_audiences()->Assign(request_.audiences.begin(), request_.audiences.end());
    request.mutable_scopes()->Assign(request_.scopes.begin(), request_.scopes.end());
    const auto response = client_.Login(request);
    Secret::Wipe(*request.mutable_password());
    if (!response.ok()) return response.status();
    return ToToken(*response);
  }

  SessionClient client_;
  const std::function<absl::StatusOr<Password>()> password_;
  const TokenRequest request_;
  const Clock& clock_;
  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool wanted_ ABSL_GUARDED_BY(mutex_) = false;  // somebody has asked for a credential
  Token token_ ABSL_GUARDED_BY(mutex_);
  absl::Status error_ ABSL_GUARDED_BY(mutex_);  // of the last attempt, until the next one is due
  std::thread thread_;
};

class FileTokenSource final : public TokenSource {
 public:
  explicit FileTokenSource(std::string path) : path_(std::move(path)) {}

  absl::StatusOr<std::string> GetToken(absl::Duration) override {
    MutexLock lock(mutex_);
    const absl::Status status = ReadIfChanged();
    if (!status.ok() && credential_.empty()) return status;
    return credential_;
  }

  void Reject(absl::string_view credential) override {
    MutexLock lock(mutex_);
    version_.reset();
    if (credential_ == credential) credential_.clear();
  }

 private:
  using Version = std::tuple<ino_t, off_t, time_t, long>;

  absl::Status ReadIfChanged() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    struct stat file {};
    if (stat(path_.c_str(), &file) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path_));
    const Version version(file.st_ino, file.st_size, file.st_mtim.tv_sec, file.st_mtim.tv_nsec);
    if (version_ == version) return absl::OkStatus();
    const auto contents = ReadFile(path_, kMaxFileSize);
    if (!contents.ok()) return contents.status();
    const absl::string_view credential = absl::StripAsciiWhitespace(*contents);
    if (credential.empty()) return absl::FailedPreconditionError(absl::StrCat(path_, " holds no credential"));
    credential_ = std::string(credential);
    version_ = version;
    return absl::OkStatus();
  }

  const std::string path_;
  Mutex mutex_;
  std::optional<Version> version_ ABSL_GUARDED_BY(mutex_);  // of the file that was read
  std::string credential_ ABSL_GUARDED_BY(mutex_);          // empty: none
};

}  // namespace

std::unique_ptr<TokenSource> MakeLoginTokenSource(const std::shared_ptr<grpc::ChannelInterface>& channel,
                                                  std::function<absl::StatusOr<Password>()> password,
                                                  TokenRequest request, const Clock& clock) {
  return std::make_unique<LoginTokenSource>(channel, std::move(password), std::move(request), clock);
}

absl::StatusOr<Password> ReadServiceAccountFile(const std::string& path) {
  const auto text = ReadSecretFile(path, kMaxFileSize);
  if (!text.ok()) return text.status();
  const auto object = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  const auto has = [&object](const char* name) { return object.contains(name) && object.at(name).is_string(); };
  if (!object.is_object() || !has("name") || !has("secret")) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, R"( is not a service-account file: {"name": "…", "secret": "…"})"));
  }
  return Password{object.at("name").get<std::string>(), Secret(object.at("secret").get<std::string>())};
}

absl::StatusOr<std::unique_ptr<TokenSource>> MakeServiceAccountTokenSource(
    const std::shared_ptr<grpc::ChannelInterface>& channel, std::string path, TokenRequest request) {
  if (const auto now = ReadServiceAccountFile(path); !now.ok()) return now.status();
  return MakeLoginTokenSource(
      channel, [path = std::move(path)] { return ReadServiceAccountFile(path); }, std::move(request));
}

std::unique_ptr<TokenSource> MakeFileTokenSource(std::string path) {
  return std::make_unique<FileTokenSource>(std::move(path));
}

}  // namespace watchword
