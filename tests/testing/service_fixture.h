#pragma once

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/service/accounts.h"
#include "server/service/audit_log.h"
#include "server/service/change_password.h"
#include "server/service/environment.h"
#include "server/service/errors.h"
#include "server/service/feed.h"
#include "server/service/key_rotation.h"
#include "server/service/login.h"
#include "server/service/login_throttle.h"
#include "server/service/logout.h"
#include "server/service/refresh.h"
#include "server/service/session_cache.h"
#include "server/service/sessions.h"
#include "server/service/validate.h"
#include "server/service/verifiers.h"
#include "server/store_sqlite/sqlite_store.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"
#include "watchword/base/testing/fake_clock.h"

namespace watchword {

inline constexpr char kIssuer[] = "https://auth.example";
inline constexpr char kAlice[] = "alice";
inline constexpr char kPassword[] = "correct horse battery";

// Keeps what was logged, so that a test can look for it.
class RecordingLogger final : public Logger {
 public:
  void Write(Severity, absl::string_view message, absl::Span<const LogField> fields) override {
    MutexLock lock(mutex_);
    text_.append(std::string(message));
    for (const LogField& field : fields) text_.append(" " + std::string(field.name) + "=" + field.value);
    text_.push_back('\n');
  }
  std::string text() const {
    MutexLock lock(mutex_);
    return text_;
  }

 private:
  mutable Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
};

// Keeps the security events.
class RecordingAuditLog final : public AuditLog {
 public:
  void Record(const AuditEvent& event) override {
    MutexLock lock(mutex_);
    events_.push_back(event);
  }
  std::vector<AuditEvent> events() const {
    MutexLock lock(mutex_);
    return events_;
  }

 private:
  mutable Mutex mutex_;
  std::vector<AuditEvent> events_ ABSL_GUARDED_BY(mutex_);
};

// Every use case on a real embedded store, with cheap hashes and a clock that moves when told to. `alice` exists.
class ServiceTest : public testing::Test {
 protected:
  ServiceTest() {
    auto opened = OpenSqliteStore(folder_.path() + "/store.db", SystemRandom());
    EXPECT_THAT(opened, IsOk());
    store_ = *std::move(opened);
    keys_ = *KeyRing::Open(store_->keys(), {.key_file = folder_.path() + "/key"}, clock_, SystemRandom());
    feed_ = std::make_unique<Feed>(store_->revocations(), trust_, clock_, SystemRandom(), log_);
    EXPECT_THAT(feed_->Start(), IsOk());
    throttle_.emplace(store_->login_attempts(), keys_->session_binding_key(), settings_.throttle_limits, clock_, log_);
    verifiers_.emplace(*feed_, clock_, settings_.access_token_ttl);
    environment_.emplace(EnvironmentWith(hasher_, hash_executor_));
    rotation_.emplace(*environment_, *keys_, audit_, KeySchedule());
    session_cache_.emplace(1000, settings_.session_idle_timeout);
    login_.emplace(*environment_);
    refresh_.emplace(*environment_);
    validate_.emplace(*environment_, *session_cache_);
    logout_.emplace(*environment_);
    change_password_.emplace(*environment_, *validate_);
    accounts_.emplace(*environment_);
    sessions_.emplace(*environment_);
    EXPECT_THAT(CreateUser(kAlice, kPassword, {"orders.read", "watchword.validate"}), IsOk());
  }

  ~ServiceTest() override {
    feed_->Stop();
    hash_executor_.Stop();
    store_executor_.Stop();
  }

  // The use cases' environment, with another hasher and executor for it, another store, or other randomness.
  Environment EnvironmentWith(const PasswordHasher& hasher, Executor& hash_executor, Store* store = nullptr,
                              RandomSource& random = SystemRandom()) {
    return {.settings = settings_,
            .store = store == nullptr ? *store_ : *store,
            .store_executor = store_executor_,
            .hash_executor = hash_executor,
            .hasher = hasher,
            .keys = *keys_,
            .throttle = *throttle_,
            .trust = trust_,
            .feed = *feed_,
            .verifiers = *verifiers_,
            .clock = clock_,
            .random = random,
            .log = log_};
  }

  // Waits for the answer of a use case; `start` is given what to call when done.
  template <typename T, typename Start>
  static absl::StatusOr<T> Await(Start start) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<T>>>();
    std::future<absl::StatusOr<T>> future = promise->get_future();
    start([promise](absl::StatusOr<T> result) { promise->set_value(std::move(result)); });
    return future.get();
  }

  absl::StatusOr<PrincipalRecord> CreateUser(std::string name, absl::string_view password,
                                             std::vector<std::string> scopes = {}) {
    return Await<PrincipalRecord>([&](Done<PrincipalRecord> done) {
      accounts_->Create(std::move(name), Secret::CopyOf(password), std::move(scopes), kNoDeadline, std::move(done));
    });
  }

  absl::StatusOr<PrincipalRecord> Import(Accounts::ImportedUser user) {
    return Await<PrincipalRecord>(
        [&](Done<PrincipalRecord> done) { accounts_->Import(std::move(user), kNoDeadline, std::move(done)); });
  }

  static LoginCommand::Request LoginOf(std::string name, absl::string_view password) {
    return {.username = std::move(name), .password = Secret::CopyOf(password), .deadline = kNoDeadline};
  }
  absl::StatusOr<IssuedCredential> Login(LoginCommand::Request request) {
    return Await<IssuedCredential>(
        [&](Done<IssuedCredential> done) { login_->Run(std::move(request), std::move(done)); });
  }
  absl::StatusOr<IssuedCredential> Login() { return Login(LoginOf(kAlice, kPassword)); }
  absl::StatusOr<IssuedCredential> LoginForSessionToken() {
    auto request = LoginOf(kAlice, kPassword);
    request.kind = SessionKind::kSessionToken;
    return Login(std::move(request));
  }

  absl::StatusOr<IssuedCredential> Refresh(const std::string& token, const std::string& certificate_sha256 = "") {
    return Await<IssuedCredential>(
        [&](Done<IssuedCredential> done) { refresh_->Run(token, certificate_sha256, kNoDeadline, std::move(done)); });
  }

  absl::StatusOr<Validation> Validate(const std::string& credential) {
    return Await<Validation>([&](Done<Validation> done) { validate_->Run(credential, kNoDeadline, std::move(done)); });
  }
  // "ACTIVE", or the reason why it is not, or the error.
  std::string Verdict(const std::string& credential) {
    const absl::StatusOr<Validation> validation = Validate(credential);
    if (!validation.ok()) return validation.status().ToString();
    return validation->active ? "ACTIVE" : validation->reason;
  }

  absl::Status Logout(LogoutCommand::Request request) {
    request.deadline = kNoDeadline;
    return Await<LogoutCommand::Ended>(
               [&](Done<LogoutCommand::Ended> done) { logout_->Run(std::move(request), std::move(done)); })
        .status();
  }

  absl::StatusOr<PrincipalRecord> SetDisabled(std::string name, bool disabled) {
    return Await<PrincipalRecord>([&](Done<PrincipalRecord> done) {
      accounts_->SetDisabled(std::move(name), disabled, kNoDeadline, std::move(done));
    });
  }

  static constexpr absl::Time kNoDeadline = absl::InfiniteFuture();

  TemporaryFolder folder_;
  FakeClock clock_;
  RecordingLogger log_;
  RecordingAuditLog audit_;
  Settings settings_{.issuer = kIssuer, .default_audiences = {kIssuer}};
  const PasswordHasher hasher_ = *PasswordHasher::Create({.memory_kib = 8192, .passes = 1}, SystemRandom());
  Executor store_executor_{{.name = "store", .threads = 4, .queue_capacity = 1000}, clock_};
  Executor hash_executor_{{.name = "hash", .threads = 2, .queue_capacity = 1000}, clock_};
  TrustState trust_{clock_};
  std::unique_ptr<Store> store_;
  std::unique_ptr<KeyRing> keys_;
  std::unique_ptr<Feed> feed_;
  std::optional<LoginThrottle> throttle_;
  std::optional<Verifiers> verifiers_;
  std::optional<Environment> environment_;
  std::optional<KeyRotation> rotation_;  // not started: it steps when told to
  std::optional<SessionCache> session_cache_;
  std::optional<LoginCommand> login_;
  std::optional<RefreshCommand> refresh_;
  std::optional<ValidateQuery> validate_;
  std::optional<LogoutCommand> logout_;
  std::optional<ChangePasswordCommand> change_password_;
  std::optional<Accounts> accounts_;
  std::optional<Sessions> sessions_;
};

}  // namespace watchword
