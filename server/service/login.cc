#include "server/service/login.h"

#include <algorithm>
#include <memory>
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

// One login on its way through the executors: has the password checked, then creates, so it is never touched by two
// threads at a time.
class Login : public std::enable_shared_from_this<Login> {
 public:
  Login(const Environment& environment, const PasswordCheck& passwords, LoginCommand::Request request,
        Done<IssuedCredential> done)
      : environment_(environment), passwords_(passwords), request_(std::move(request)), done_(std::move(done)) {}

  void Start() {
    if (auto status = CheckRequest(); !status.ok()) return Finish(status);
    PasswordCheck::Attempt attempt{.username = name_,
                                   .source = std::move(request_.source),
                                   .password = std::move(request_.password),
                                   .deadline = request_.deadline,
                                   .is_cancelled = std::move(request_.is_cancelled)};
    passwords_.Run(std::move(attempt), [self = shared_from_this()](absl::StatusOr<PasswordCheck::Proof> proof) {
      if (!proof.ok()) return self->Finish(proof.status());
      self->proof_ = *std::move(proof);
      self->BeginSession();
    });
  }

 private:
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

  void BeginSession() {
    if (auto status = GrantScopes(); !status.ok()) return Finish(status);
    const absl::Time now = environment_.clock.Now();
    absl::StatusOr<IssuedCredential> issued = CreateSession(now);
    if (issued.status().code() == absl::StatusCode::kAborted) {
      // All sessions were ended while this one was being made, or by a server whose clock is ahead.
      absl::StatusOr<PrincipalRecord> fresh = environment_.store.users().Find(proof_.principal.id);
      if (!fresh.ok()) return Finish(StoreFailed(fresh.status()));
      proof_.principal.sessions_revoked_until = fresh->sessions_revoked_until;
      issued = CreateSession(now);
    }
    if (issued.status().code() == absl::StatusCode::kFailedPrecondition) {
      const AuditTarget target{.subject = proof_.principal.id.ToString(), .username = proof_.principal.name};
      return Finish(WithAuditNote(PasswordCheck::Refused(), {.target = target, .cause = "account_changed"}));
    }
    if (!issued.ok()) return Finish(StoreFailed(issued.status()));
    Rehash();
    environment_.log.Info("login", {{"user", name_}, {"session", issued->session_id}});
    Finish(std::move(issued));
  }

  absl::Status GrantScopes() {
    for (const std::string& scope : request_.scopes) {
      if (std::find(proof_.principal.scopes.begin(), proof_.principal.scopes.end(), scope) ==
          proof_.principal.scopes.end()) {
        return ErrorWithReason(absl::StatusCode::kPermissionDenied, kScopeNotGranted,
                               absl::StrCat("the account does not have the scope ", scope));
      }
    }
    if (request_.scopes.empty()) request_.scopes = proof_.principal.scopes;
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
    if (auto status = environment_.store.sessions().Create(session, proof_.principal.credential_version);
        !status.ok()) {
      return status;
    }
    return issued;
  }

  absl::StatusOr<SessionView> NewSession(absl::Time now) {
    const absl::Time began =
        std::max(absl::FromUnixMillis(absl::ToUnixMillis(now)),
                 absl::FromUnixMillis(absl::ToUnixMillis(proof_.principal.sessions_revoked_until) + 1));
    absl::StatusOr<Uuid> id = Uuid::NewV7(began, environment_.random);
    if (!id.ok()) return id.status();
    const absl::Time expires_at = began + environment_.settings.session_lifetime;
    return SessionView{
        .session = {.id = *id,
                    .principal = proof_.principal.id,
                    .kind = request_.kind,
                    .rotated_at = now,
                    .created_at = began,
                    .last_used_at = now,
                    .idle_expires_at = std::min(now + environment_.settings.session_idle_timeout, expires_at),
                    .expires_at = expires_at,
                    .audiences = request_.audiences,
                    .scopes = request_.scopes,
                    .include_username = request_.include_username},
        .principal = proof_.principal};
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
                            .subject = proof_.principal.id.ToString()};
    Secret::Wipe(content);
    session.token_digest = Sha256(issued.credential);
    return issued;
  }

  // Raises the cost of the stored hash, once, whoever else logs in at the same time. If that fails, the next login will
  // try again.
  void Rehash() {
    if (proof_.new_hash.empty()) return;
    const PrincipalRecord& principal = proof_.principal;
    const auto replaced =
        environment_.store.users().ReplaceHash(principal.id, principal.password_hash, proof_.new_hash);
    if (!replaced.ok()) {
      environment_.log.Warning("could not raise the cost of a password hash",
                               {{"user", name_}, {"error", std::string(replaced.status().message())}});
    } else if (*replaced) {
      environment_.log.Info("password hash renewed", {{"user", name_}});
    }
  }

  const Environment& environment_;
  const PasswordCheck& passwords_;
  LoginCommand::Request request_;
  Done<IssuedCredential> done_;
  std::string name_;
  PasswordCheck::Proof proof_;
};

}  // namespace

void LoginCommand::Run(Request request, Done<IssuedCredential> done) {
  std::make_shared<Login>(environment_, passwords_, std::move(request), std::move(done))->Start();
}

}  // namespace watchword
