#include "server/transport/admin_handlers.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/service/errors.h"
#include "server/service/on_executor.h"
#include "server/transport/call_audit.h"
#include "server/transport/convert.h"
#include "watchword/base/base64url.h"

namespace watchword {
namespace {

constexpr int kDefaultPageSize = 100;
constexpr int kMaxPageSize = 1000;
constexpr size_t kMaxKeyId = 64;

absl::StatusOr<size_t> PageSize(int requested) {
  if (requested < 0 || requested > kMaxPageSize) {
    return InvalidField("page_size", absl::StrCat("must be 0 to ", kMaxPageSize, ", not ", requested));
  }
  return requested == 0 ? kDefaultPageSize : requested;
}

void Fill(const PrincipalRecord& principal, v1::User& user) {
  user.mutable_principal()->set_subject(principal.id.ToString());
  user.mutable_principal()->set_username(principal.name);
  user.mutable_principal()->set_kind(ToProto(principal.kind));
  SetAll(principal.scopes, *user.mutable_scopes());
  user.set_disabled(principal.disabled);
  *user.mutable_created_at() = ToProto(principal.created_at);
}

void Fill(const SessionRecord& record, v1::Session& session) {
  session.set_session_id(record.id.ToString());
  session.set_kind(ToProto(record.kind));
  *session.mutable_created_at() = ToProto(record.created_at);
  *session.mutable_last_used_at() = ToProto(record.last_used_at);
  *session.mutable_idle_expires_at() = ToProto(record.idle_expires_at);
  *session.mutable_expires_at() = ToProto(record.expires_at);
  SetAll(record.audiences, *session.mutable_audiences());
  SetAll(record.scopes, *session.mutable_scopes());
}

void Fill(const SigningKeyRecord& record, v1::SigningKey& key) {
  key.set_kid(record.key_id);
  key.set_algorithm(record.algorithm);
  key.set_state(static_cast<v1::SigningKeyState>(record.state));  // the numbers are the same
  *key.mutable_created_at() = ToProto(record.created_at);
  *key.mutable_changed_at() = ToProto(record.changed_at);
}

AuditTarget TargetOf(const PrincipalRecord& principal) {
  return {.subject = principal.id.ToString(), .username = principal.name};
}

// Takes down how it went and finishes `call`; the response has nothing to say.
Done<PrincipalRecord> AnswerDone(UnaryCall call, CallAudit audit) {
  return [call = std::move(call), audit = std::move(audit)](const absl::StatusOr<PrincipalRecord>& principal) {
    audit.Record(principal.status(), principal.ok() ? TargetOf(*principal) : AuditTarget());
    call.Finish(principal.status());
  };
}

// The same with the user in the response.
template <typename Response>
Done<PrincipalRecord> AnswerWithUser(UnaryCall call, CallAudit audit, Response* response) {
  return [done = AnswerDone(std::move(call), std::move(audit)),
          response](const absl::StatusOr<PrincipalRecord>& principal) mutable {
    if (principal.ok()) Fill(*principal, *response->mutable_user());
    done(principal);
  };
}

// Finishes `call` with a key. What was changed is recorded by whoever has changed it.
Done<SigningKeyRecord> AnswerWithKey(UnaryCall call, CallAudit audit, v1::SigningKey& answer) {
  return [call = std::move(call), audit = std::move(audit), &answer](const absl::StatusOr<SigningKeyRecord>& key) {
    if (!key.ok()) audit.Record(key.status());
    if (key.ok()) Fill(*key, answer);
    call.Finish(key.status());
  };
}

}  // namespace

grpc::ServerUnaryReactor* AdminHandlers::CreateUser(grpc::CallbackServerContext* context,
                                                    const v1::CreateUserRequest* request,
                                                    v1::CreateUserResponse* response) {
  UnaryCall call(tools_, context, "/watchword.v1.AdminService/CreateUser");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  auto audit = CallAudit::OfAdministrator(tools_, *context, kAuditUserCreated, call.method());
  accounts_.Create(request->username(), PasswordOf(request->password()),
                   {request->scopes().begin(), request->scopes().end()}, DeadlineOf(*context),
                   AnswerWithUser(std::move(call), std::move(audit), response));
  return reactor;
}

grpc::ServerUnaryReactor* AdminHandlers::ImportUser(grpc::CallbackServerContext* context,
                                                    const v1::ImportUserRequest* request,
                                                    v1::ImportUserResponse* response) {
  UnaryCall call(tools_, context, "/watchword.v1.AdminService/ImportUser");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  auto audit = CallAudit::OfAdministrator(tools_, *context, kAuditUserCreated, call.method());
  accounts_.Import({.username = request->username(),
                    .password_hash = request->password_hash(),
                    .scopes = {request->scopes().begin(), request->scopes().end()},
                    .disabled = request->disabled()},
                   DeadlineOf(*context), AnswerWithUser(std::move(call), std::move(audit), response));
  return reactor;
}

grpc::ServerUnaryReactor* AdminHandlers::CreateServiceAccount(grpc::CallbackServerContext* context,
                                                              const v1::CreateServiceAccountRequest* request,
                                                              v1::CreateServiceAccountResponse* response) {
  UnaryCall call(tools_, context, "/watchword.v1.AdminService/CreateServiceAccount");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  auto audit = CallAudit::OfAdministrator(tools_, *context, kAuditServiceAccountCreated, call.method());
  accounts_.CreateServiceAccount(
      request->name(), {request->scopes().begin(), request->scopes().end()}, DeadlineOf(*context),
      [call = std::move(call), audit = std::move(audit), response](absl::StatusOr<Accounts::NewSecret> made) {
        audit.Record(made.status(), made.ok() ? TargetOf(made->account) : AuditTarget());
        if (made.ok()) {
          Fill(made->account, *response->mutable_account());
          response->set_secret(std::move(made->secret));
        }
        call.Finish(made.status());
      });
  return reactor;
}

grpc::ServerUnaryReactor* AdminHandlers::RotateServiceAccountSecret(
    grpc::CallbackServerContext* context, const v1::RotateServiceAccountSecretRequest* request,
    v1::RotateServiceAccountSecretResponse* response) {
  UnaryCall call(tools_, context, "/watchword.v1.AdminService/RotateServiceAccountSecret");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  auto audit = CallAudit::OfAdministrator(tools_, *context, kAuditSecretRotated, call.method());
  accounts_.RotateSecret(
      request->name(), DeadlineOf(*context),
      [call = std::move(call), audit = std::move(audit), response](absl::StatusOr<Accounts::NewSecret> made) {
        audit.Record(made.status(), made.ok() ? TargetOf(made->account) : AuditTarget());
        if (made.ok()) response->set_secret(std::move(made->secret));
        call.Finish(made.status());
      });
  return reactor;
}

grpc::ServerUnaryReactor* AdminHandlers::ListUsers(grpc::CallbackServerContext* context,
                                                   const v1::ListUsersRequest* request,
                                                   v1::ListUsersResponse* response) {
  UnaryCall call(tools_, context, "/watchword.v1.AdminService/ListUsers");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  const absl::StatusOr<size_t> page_size = PageSize(request->page_size());
  const absl::StatusOr<std::string> after = Base64UrlDecode(request->page_token());  // a name may hold any character
  if (!page_size.ok() || !after.ok()) {
    call.Finish(page_size.ok() ? InvalidField("page_token", "must be the next_page_token of the page before")
                               : page_size.status());
    return reactor;
  }
  accounts_.List(*after, *page_size, DeadlineOf(*context),
                 [call = std::move(call), response,
                  limit = *page_size](const absl::StatusOr<std::vector<PrincipalRecord>>& principals) {
                   if (principals.ok()) {
                     for (const PrincipalRecord& each : *principals) Fill(each, *response->add_users());
                     if (principals->size() == limit) {
                       response->set_next_page_token(Base64UrlEncode(principals->back().name));
                     }
                   }
                   call.Finish(principals.status());
                 });
  return reactor;
}

grpc::ServerUnaryReactor* AdminHandlers::SetPassword(grpc::CallbackServerContext* context,
                                                     const v1::SetPasswordRequest* request, v1::SetPasswordResponse*) {
  UnaryCall call(tools_, context, "/watchword.v1.AdminService/SetPassword");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  auto audit = CallAudit::OfAdministrator(tools_, *context, kAuditPasswordSet, call.method());
  accounts_.SetPassword(request->username(), PasswordOf(request->password()), DeadlineOf(*context),
                        AnswerDone(std::move(call), std::move(audit)));
  return reactor;
}

grpc::ServerUnaryReactor* AdminHandlers::DisableUser(grpc::CallbackServerContext* context,
                                                     const v1::DisableUserRequest* request, v1::DisableUserResponse*) {
  UnaryCall call(tools_, context, "/watchword.v1.AdminService/DisableUser");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  auto audit = CallAudit::OfAdministrator(tools_, *context, kAuditUserDisabled, call.method());
  accounts_.SetDisabled(request->username(), true, DeadlineOf(*context), AnswerDone(std::move(call), std::move(audit)));
  return reactor;
}

grpc::ServerUnaryReactor* AdminHandlers::EnableUser(grpc::CallbackServerContext* context,
                                                    const v1::EnableUserRequest* request, v1::EnableUserResponse*) {
  UnaryCall call(tools_, context, "/watchword.v1.AdminService/EnableUser");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  auto audit = CallAudit::OfAdministrator(tools_, *context, kAuditUserEnabled, call.method());
  accounts_.SetDisabled(request->username(), false, DeadlineOf(*context),
                        AnswerDone(std::move(call), std::move(audit)));
  return reactor;
}

grpc::ServerUnaryReactor* AdminHandlers::ListSessions(grpc::CallbackServerContext* context,
                                                      const v1::ListSessionsRequest* request,
                                                      v1::ListSessionsResponse* response) {
  UnaryCall call(tools_, context, "/watchword.v1.AdminService/ListSessions");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  const absl::StatusOr<size_t> page_size = PageSize(request->page_size());
  if (!page_size.ok()) {
    call.Finish(page_size.status());
    return reactor;
  }
  sessions_.List(request->username(), request->page_token(), *page_size, DeadlineOf(*context),
                 [call = std::move(call), response,
                  limit = *page_size](const absl::StatusOr<std::vector<SessionRecord>>& sessions) {
                   if (sessions.ok()) {
                     for (const SessionRecord& each : *sessions) Fill(each, *response->add_sessions());
                     if (sessions->size() == limit) response->set_next_page_token(sessions->back().id.ToString());
                   }
                   call.Finish(sessions.status());
                 });
  return reactor;
}

grpc::ServerUnaryReactor* AdminHandlers::RevokeSessions(grpc::CallbackServerContext* context,
                                                        const v1::RevokeSessionsRequest* request,
                                                        v1::RevokeSessionsResponse*) {
  UnaryCall call(tools_, context, "/watchword.v1.AdminService/RevokeSessions");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  auto audit = CallAudit::OfAdministrator(tools_, *context, kAuditSessionsRevoked, call.method());
  switch (request->target_case()) {
    case v1::RevokeSessionsRequest::kSessionId:
      sessions_.Revoke(request->session_id(), DeadlineOf(*context),
                       [call = std::move(call), audit = std::move(audit)](const absl::StatusOr<Uuid>& session) {
                         audit.Record(session.status(), {.session = session.ok() ? session->ToString() : ""});
                         call.Finish(session.status());
                       });
      break;
    case v1::RevokeSessionsRequest::kUsername:
      sessions_.RevokeAll(request->username(), DeadlineOf(*context),
                          [call = std::move(call), audit = std::move(audit)](const absl::StatusOr<Uuid>& principal) {
                            audit.Record(principal.status(), {.subject = principal.ok() ? principal->ToString() : "",
                                                              .detail = "all_sessions"});
                            call.Finish(principal.status());
                          });
      break;
    case v1::RevokeSessionsRequest::TARGET_NOT_SET:
      call.Finish(InvalidField("session_id", "or `username` must be set"));
      break;
  }
  return reactor;
}

grpc::ServerUnaryReactor* AdminHandlers::ListSigningKeys(grpc::CallbackServerContext* context,
                                                         const v1::ListSigningKeysRequest*,
                                                         v1::ListSigningKeysResponse* response) {
  UnaryCall call(tools_, context, "/watchword.v1.AdminService/ListSigningKeys");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  OnExecutor<std::vector<SigningKeyRecord>>(
      environment_.store_executor, DeadlineOf(*context),
      [this]() -> absl::StatusOr<std::vector<SigningKeyRecord>> {
        auto keys = environment_.store.keys().ListKeys();
        if (!keys.ok()) return StoreFailed(keys.status());
        return keys;
      },
      [call = std::move(call), response](const absl::StatusOr<std::vector<SigningKeyRecord>>& keys) {
        if (keys.ok()) {
          for (const SigningKeyRecord& each : *keys) Fill(each, *response->add_keys());
        }
        call.Finish(keys.status());
      });
  return reactor;
}

grpc::ServerUnaryReactor* AdminHandlers::RotateSigningKey(grpc::CallbackServerContext* context,
                                                          const v1::RotateSigningKeyRequest* request,
                                                          v1::RotateSigningKeyResponse* response) {
  UnaryCall call(tools_, context, "/watchword.v1.AdminService/RotateSigningKey");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  const auto audit = CallAudit::OfAdministrator(tools_, *context, kAuditSigningKeyChanged, call.method());
  OnExecutor<SigningKeyRecord>(
      environment_.store_executor, DeadlineOf(*context),
      [this, now = request->now(), by = audit.event()] { return keys_.Rotate(now, by); },
      AnswerWithKey(std::move(call), audit, *response->mutable_key()));
  return reactor;
}

grpc::ServerUnaryReactor* AdminHandlers::RetireSigningKey(grpc::CallbackServerContext* context,
                                                          const v1::RetireSigningKeyRequest* request,
                                                          v1::RetireSigningKeyResponse* response) {
  UnaryCall call(tools_, context, "/watchword.v1.AdminService/RetireSigningKey");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  const absl::Status wrong =
      request->kid().empty() || request->kid().size() > kMaxKeyId ? InvalidField("kid", "must be the id of a key")
      : !request->compromised()
          ? InvalidField("compromised", "must be true; a key that nobody has got at is retired by RotateSigningKey")
          : absl::OkStatus();
  if (!wrong.ok()) {
    call.Finish(wrong);
    return reactor;
  }
  const auto audit = CallAudit::OfAdministrator(tools_, *context, kAuditSigningKeyChanged, call.method());
  OnExecutor<SigningKeyRecord>(
      environment_.store_executor, DeadlineOf(*context),
      [this, kid = request->kid(), by = audit.event()] { return keys_.Revoke(kid, by); },
      AnswerWithKey(std::move(call), audit, *response->mutable_active_key()));
  return reactor;
}

}  // namespace watchword
