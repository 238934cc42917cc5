#include "server/service/login.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/crypto/session_secrets.h"
#include "server/domain/names.h"
#include "server/domain/passwords.h"
#include "server/service/audit_log.h"
#include "server/service/errors.h"
#include "watchword/base/reason.h"
#include "watchword/token/opaque_token.h"

namespace watchword {
namespace {

constexpr size_t kMaxAudiences = 8;
constexpr size_t kMaxScopes = 32;

absl::Status Refused() {
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, kInvalidCredentials, "wrong user name or password");
}

// One login on its way through the executors: looks up, hashes, creates, one after the other, so it is never touched by
// two threads at a time.
class Login : public std::enable_shared_from_this<Login> {
 public:
  Login(const Environment& environment, LoginCommand::Request request, Done<IssuedCredential> done)
      : environment_(environment), request_(std::move(request)), done_(std::move(done)) {}

  void Start() {
    if (auto status = CheckRequest(); !status.ok()) return Finish(status);
    OnExecutor(environment_.store_executor, &Login::LookUp);
  }

 private:
  void OnExecutor(Executor& executor, void (Login::*step)()) {
    auto self = shared_from_this();
    const absl::Status queued = executor.Submit(request_.deadline, [self, step](const absl::Status& status) {
      if (!status.ok()) return self->Finish(NotDone(status));
      ((*self).*step)();
    });
    if (!queued.ok()) Finish(NotDone(queued));
  }

  void Finish(absl::StatusOr<IssuedCredential> result) { done_(std::move(result)); }

  absl::Status CheckRequest() {
    if (request_.username.empty()) return InvalidField("username", "must not be empty");
    absl::StatusOr<std::string> name = CanonicalUsername(request_.username);
    if (!name.ok()) return InvalidField("username", name.status().message());
    name_ = *std::move(name);
    if (request_.password.Reveal().size() > kMaxPasswordSize) {
      return InvalidField("password", absl::StrCat("must have at most ", kMaxPasswordSize, " bytes"));
    }
    if (auto status = CheckAudiences(); !status.ok()) return status;
    return CheckScopes();
  }

  absl::Status CheckAudiences() {
    if (request_.audiences.size() > kMaxAudiences) {
      return InvalidField("audiences", absl::StrCat("must be at most ", kMaxAudiences));
    }
    for (const std::string& audience : request_.audiences) {
      if (auto status = CheckAudience(audience); !status.ok()) return InvalidField("audiences", status.message());
    }
    if (request_.audiences.empty()) request_.audiences = environment_.settings.default_audiences;
    return absl::OkStatus();
  }

  absl::Status CheckScopes() {
    if (request_.scopes.size() > kMaxScopes)
      return InvalidField("scopes", absl::StrCat("must be at most ", kMaxScopes));
    for (const std::string& scope : request_.scopes) {
      if (auto status = CheckScope(scope); !status.ok()) return InvalidField("scopes", status.message());
    }
    return absl::OkStatus();
  }

  void LookUp() {
    absl::StatusOr<PrincipalRecord> found = environment_.store.users().FindByName(name_);
    if (found.ok()) {
      principal_ = *std::move(found);
    } else if (found.status().code() != absl::StatusCode::kNotFound) {
      return Finish(StoreFailed(found.status()));
    }
    OnExecutor(environment_.hash_executor, &Login::CheckPassword);
  }

  void CheckPassword() {
    absl::StatusOr<bool> right = IsPasswordRight();
    if (!right.ok()) return Finish(NotDone(right.status()));
    if (!*right || principal_->disabled) return Finish(WithAuditNote(Refused(), WhyRefused()));
    if (environment_.hasher.NeedsRehash(principal_->password_hash)) {
      if (auto hash = environment_.hasher.Hash(password_); hash.ok()) new_hash_ = *std::move(hash);
    }
    OnExecutor(environment_.store_executor, &Login::BeginSession);
  }

  AuditNote WhyRefused() const {
    if (!principal_.has_value()) return {.cause = "unknown_user"};
    return {.target = {.subject = principal_->id.ToString(), .username = principal_->name},
            .cause = principal_->disabled ? "disabled" : "wrong_password"};
  }

  // Does one full hash whatever the case.
  absl::StatusOr<bool> IsPasswordRight() {
    const PasswordHasher& hasher = environment_.hasher;
    absl::StatusOr<Secret> password = CanonicalPassword(request_.password.Reveal());
    const bool well_formed = password.ok();
    password_ = well_formed ? *std::move(password) : Secret::CopyOf(request_.password.Reveal());
    if (principal_.has_value()) {
      absl::StatusOr<bool> right = hasher.Verify(password_, principal_->password_hash);
      if (right.ok()) return *right && well_formed;
      if (right.status().code() != absl::StatusCode::kFailedPrecondition) return right;
      environment_.log.Error("the stored password hash of a user is damaged; the user cannot log in",
                             {{"user", name_}, {"error", std::string(right.status().message())}});
    }
    absl::StatusOr<bool> dummy = hasher.Verify(password_, hasher.dummy_hash());
    if (!dummy.ok()) return dummy;
    return false;
  }

  void BeginSession() {
    if (auto status = GrantScopes(); !status.ok()) return Finish(status);
    const absl::Time now = environment_.clock.Now();
    absl::StatusOr<IssuedCredential> issued = CreateSession(now);
    if (issued.status().code() == absl::StatusCode::kAborted) {
      // All sessions were ended while this one was being made, or by a server whose clock is ahead.
      absl::StatusOr<PrincipalRecord> fresh = environment_.store.users().Find(principal_->id);
      if (!fresh.ok()) return Finish(StoreFailed(fresh.status()));
      principal_->sessions_revoked_until = fresh->sessions_revoked_until;
      issued = CreateSession(now);
    }
    if (issued.status().code() == absl::StatusCode::kFailedPrecondition) return Finish(Refused());
    if (!issued.ok()) return Finish(StoreFailed(issued.status()));
    Rehash();
    environment_.log.Info("login", {{"user", name_}, {"session", issued->session_id}});
    Finish(std::move(issued));
  }

  absl::Status GrantScopes() {
    for (const std::string& scope : request_.scopes) {
      if (std::find(principal_->scopes.begin(), principal_->scopes.end(), scope) == principal_->scopes.end()) {
        return ErrorWithReason(absl::StatusCode::kPermissionDenied, kScopeNotGranted,
                               absl::StrCat("the account does not have the scope ", scope));
      }
    }
    if (request_.scopes.empty()) request_.scopes = principal_->scopes;
    return absl::OkStatus();
  }

  absl::StatusOr<IssuedCredential> CreateSession(absl::Time now) {
    absl::StatusOr<SessionView> view = NewSession(now);
    if (!view.ok()) return view.status();
    SessionRecord& session = view->session;
    absl::StatusOr<IssuedCredential> issued =
        request_.kind == SessionKind::kSessionToken
            ? IssueSessionToken(session)
            : IssueAccessToken(environment_, *view, session.generation, request_.certificate_sha256, now);
    if (issued.status().code() == absl::StatusCode::kInvalidArgument) {
      return InvalidField("audiences", issued.status().message());
    }
    if (!issued.ok()) return issued.status();
    session.binding =
        SessionBinding(environment_.keys.session_binding_key(), session.id, session.principal, session.token_digest);
    if (auto status = environment_.store.sessions().Create(session, principal_->credential_version); !status.ok()) {
      return status;
    }
    return issued;
  }

  absl::StatusOr<SessionView> NewSession(absl::Time now) {
    const absl::Time began = std::max(absl::FromUnixMillis(absl::ToUnixMillis(now)),
                                      absl::FromUnixMillis(absl::ToUnixMillis(principal_->sessions_revoked_until) + 1));
    absl::StatusOr<Uuid> id = Uuid::NewV7(began, environment_.random);
    if (!id.ok()) return id.status();
    const absl::Time expires_at = began + environment_.settings.session_lifetime;
    return SessionView{
        .session = {.id = *id,
                    .principal = principal_->id,
                    .kind = request_.kind,
                    .rotated_at = now,
                    .created_at = began,
                    .last_used_at = now,
                    .idle_expires_at = std::min(now + environment_.settings.session_idle_timeout, expires_at),
                    .expires_at = expires_at,
                    .audiences = request_.audiences,
                    .scopes = request_.scopes,
                    .include_username = request_.include_username},
        .principal = *principal_};
  }

  absl::StatusOr<IssuedCredential> IssueSessionToken(SessionRecord& session) {
    std::string content(kSessionTokenContentSize, '\0');
    if (auto status =
            environment_.random.Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(content.data()), content.size()));
        !status.ok()) {
      return status;
    }
    content += request_.certificate_sha256;
    IssuedCredential issued{.credential = FormatOpaqueToken(kSessionTokenPrefix, content),
                            .expires_at = session.idle_expires_at,
                            .session_id = session.id.ToString(),
                            .scopes = session.scopes,
                            .subject = principal_->id.ToString()};
    Secret::Wipe(content);
    session.token_digest = Sha256(issued.credential);
    return issued;
  }

  // Raises the cost of the stored hash. If that fails, the next login will try again.
  void Rehash() {
    if (new_hash_.empty()) return;
    const auto replaced = environment_.store.users().ReplaceHash(principal_->id, principal_->password_hash, new_hash_);
    if (!replaced.ok()) {
      environment_.log.Warning("could not raise the cost of a password hash",
                               {{"user", name_}, {"error", std::string(replaced.status().message())}});
    }
  }

  const Environment& environment_;
  LoginCommand::Request request_;
  Done<IssuedCredential> done_;
  std::string name_;
  Secret password_;
  std::optional<PrincipalRecord> principal_;
  std::string new_hash_;
};

}  // namespace

void LoginCommand::Run(Request request, Done<IssuedCredential> done) {
  std::make_shared<Login>(environment_, std::move(request), std::move(done))->Start();
}

}  // namespace watchword
