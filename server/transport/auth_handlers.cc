#include "server/transport/auth_handlers.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/service/errors.h"
#include "server/transport/call_audit.h"
#include "server/transport/convert.h"
#include "watchword/base/reason.h"
#include "watchword/base/source_address.h"
#include "watchword/gate/bearer.h"
#include "watchword/gate/certificate_binding.h"
#include "watchword/gate/peer_certificate.h"
#include "watchword/token/reasons.h"
#include "watchword/token/verifier.h"

namespace watchword {
namespace {

constexpr absl::string_view kClientAddressScope = "watchword.client_address";

template <typename Response>
void FillCredential(IssuedCredential&& issued, Response& response) {
  response.set_credential(std::move(issued.credential));
  response.set_token_type("Bearer");
  *response.mutable_expires_at() = ToProto(issued.expires_at);
  response.set_refresh_token(std::move(issued.refresh_token));
  response.set_session_id(std::move(issued.session_id));
  SetAll(issued.scopes, *response.mutable_scopes());
}

std::string CertificateOf(const grpc::CallbackServerContext& context) {
  return CertificateSha256(PeerCertificateOf(context));
}

void Fill(Validation&& validation, v1::ValidateResponse& response) {
  response.set_active(validation.active);
  response.set_reason(std::move(validation.reason));
  if (!validation.active) return;
  v1::Principal& principal = *response.mutable_principal();
  principal.set_subject(std::move(validation.subject));
  principal.set_username(std::move(validation.username));
  principal.set_kind(ToProto(validation.principal_kind));
  response.set_session_id(std::move(validation.session_id));
  SetAll(validation.audiences, *response.mutable_audiences());
  SetAll(validation.scopes, *response.mutable_scopes());
  *response.mutable_expires_at() = ToProto(validation.expires_at);
  response.set_certificate_sha256(std::move(validation.certificate_sha256));
  response.set_kind(ToProto(validation.kind));
  if (validation.kind != SessionKind::kSessionToken) return;
  *response.mutable_session_expires_at() = ToProto(validation.session_expires_at);
  response.mutable_idle_timeout()->set_seconds(absl::ToInt64Seconds(validation.idle_timeout));
}

// Takes the credential of the call itself, when it was judged, for bad unless the connection has the certificate that
// it is bound to.
Done<Validation> AnswerWithOwn(std::string certificate_sha256, Done<Validation> answer) {
  return [certificate_sha256 = std::move(certificate_sha256),
          answer = std::move(answer)](absl::StatusOr<Validation> validation) mutable {
    if (validation.ok() && validation->active && !validation->certificate_sha256.empty() &&
        validation->certificate_sha256 != certificate_sha256) {
      validation = Validation{.reason = std::string(kTokenInvalid)};
    }
    answer(std::move(validation));
  };
}

Done<Validation> AnswerWithValidation(UnaryCall call, v1::ValidateResponse* response) {
  return [call = std::move(call), response](absl::StatusOr<Validation> validation) {
    const absl::Status status = validation.status();
    if (validation.ok()) Fill(*std::move(validation), *response);
    call.Finish(status);
  };
}

absl::Status NobodyAsks() {
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenMissing,
                         "to have another credential judged, send your own as `authorization: Bearer …` metadata");
}

absl::Status NobodyVouches() {
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenMissing,
                         "to say for whom you log in with `client_address`, send your own credential as "
                         "`authorization: Bearer …` metadata");
}

absl::Status NobodyChanges() {
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenMissing,
                         "to change a password, send its user's credential as `authorization: Bearer …` metadata");
}

absl::StatusOr<SessionKind> KindOf(const v1::LoginRequest& request) {
  switch (request.kind()) {
    case v1::CREDENTIAL_KIND_UNSPECIFIED:
    case v1::CREDENTIAL_KIND_ACCESS_TOKEN:
      return SessionKind::kAccessToken;
    case v1::CREDENTIAL_KIND_SESSION_TOKEN:
      return SessionKind::kSessionToken;
    default:
      return InvalidField("kind", absl::StrCat("there is no credential kind ", static_cast<int>(request.kind())));
  }
}

}  // namespace

grpc::ServerUnaryReactor* AuthHandlers::Login(grpc::CallbackServerContext* context, const v1::LoginRequest* request,
                                              v1::LoginResponse* response) {
  UnaryCall call(tools_, context, "/watchword.v1.AuthService/Login");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  const absl::StatusOr<SessionKind> kind = KindOf(*request);
  if (!kind.ok()) {
    call.Finish(kind.status());
    return reactor;
  }
  std::string certificate_sha256 = request->bind_to_certificate() ? CertificateOf(*context) : "";
  if (request->bind_to_certificate() && certificate_sha256.empty()) {
    call.Finish(InvalidField("bind_to_certificate", "the connection has no client certificate to bind to"));
    return reactor;
  }
  CallAudit audit(tools_, *context, kAuditLogin, call.method());
  LoginCommand::Request login{.username = request->username(),
                              .password = PasswordOf(request->password()),
                              .kind = *kind,
                              .audiences = {request->audiences().begin(), request->audiences().end()},
                              .scopes = {request->scopes().begin(), request->scopes().end()},
                              .include_username = request->include_username(),
                              .certificate_sha256 = std::move(certificate_sha256),
                              .deadline = DeadlineOf(*context),
                              .source = SourceOfPeer(context->peer()),
                              .is_cancelled = [context] { return context->IsCancelled(); }};
  if (request->client_address().empty()) {
    BeginLogin(std::move(call), std::move(audit), std::move(login), request, response);
  } else {
    BeginLoginForClient(*context, std::move(call), std::move(audit), std::move(login), request, response);
  }
  return reactor;
}

void AuthHandlers::BeginLogin(UnaryCall call, CallAudit audit, LoginCommand::Request login,
                              const v1::LoginRequest* request, v1::LoginResponse* response) {
  login_.Run(std::move(login), [call = std::move(call), audit = std::move(audit), request,
                                response](absl::StatusOr<IssuedCredential> issued) mutable {
    const absl::Status status = issued.status();
    // A name that was typed is written only if it is somebody's.
    AuditTarget target;
    if (issued.ok()) target = {issued->subject, request->username(), issued->session_id, ""};
    if (issued.ok()) FillCredential(*std::move(issued), *response);
    audit.Record(status, std::move(target));
    call.Finish(status);
  });
}

// What a caller says of somebody else's address is believed only of those who may say so: others could try passwords
// from as many addresses as they like.
void AuthHandlers::BeginLoginForClient(const grpc::CallbackServerContext& context, UnaryCall call, CallAudit audit,
                                       LoginCommand::Request login, const v1::LoginRequest* request,
                                       v1::LoginResponse* response) {
  absl::StatusOr<std::string> source = SourceOfAddress(request->client_address());
  if (!source.ok()) return call.Finish(InvalidField("client_address", source.status().message()));
  login.source = *std::move(source);
  const auto bearer = BearerOf(context);
  if (!bearer.ok() || !bearer->has_value()) return call.Finish(bearer.ok() ? NobodyVouches() : bearer.status());
  const absl::Time deadline = login.deadline;
  validate_.RunForCaller({std::string(**bearer), CertificateOf(context)}, {std::string(kClientAddressScope)}, deadline,
                         [this, call = std::move(call), audit = std::move(audit), login = std::move(login), request,
                          response](const absl::StatusOr<Validation>& who) mutable {
                           if (!who.ok()) return call.Finish(who.status());
                           audit.SetClient(request->client_address());
                           BeginLogin(std::move(call), std::move(audit), std::move(login), request, response);
                         });
}

grpc::ServerUnaryReactor* AuthHandlers::Refresh(grpc::CallbackServerContext* context, const v1::RefreshRequest* request,
                                                v1::RefreshResponse* response) {
  UnaryCall call(tools_, context, "/watchword.v1.AuthService/Refresh");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  CallAudit audit(tools_, *context, kAuditRefreshTokenReused, call.method());
  refresh_.Run(request->refresh_token(), CertificateOf(*context), DeadlineOf(*context),
               [call = std::move(call), audit = std::move(audit), response](absl::StatusOr<IssuedCredential> issued) {
                 const absl::Status status = issued.status();
                 if (issued.ok()) FillCredential(*std::move(issued), *response);
                 if (ReasonOf(status) == kRefreshTokenReused) audit.Record(status);
                 call.Finish(status);
               });
  return reactor;
}

grpc::ServerUnaryReactor* AuthHandlers::Validate(grpc::CallbackServerContext* context,
                                                 const v1::ValidateRequest* request, v1::ValidateResponse* response) {
  UnaryCall call(tools_, context, "/watchword.v1.AuthService/Validate");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  const absl::Time deadline = DeadlineOf(*context);
  const auto bearer = BearerOf(*context);
  if (request->credential().size() > kMaxCredentialSize) {
    call.Finish(InvalidField("credential", absl::StrCat("must have at most ", kMaxCredentialSize, " bytes")));
  } else if (!request->credential().empty()) {
    // Nobody asks about others without saying who asks.
    if (!bearer.ok() || !bearer->has_value()) {
      call.Finish(bearer.ok() ? NobodyAsks() : bearer.status());
    } else {
      validate_.RunFor({std::string(**bearer), CertificateOf(*context)}, request->credential(), deadline,
                       AnswerWithValidation(std::move(call), response));
    }
  } else if (!bearer.ok()) {
    response->set_reason(std::string(kTokenInvalid));
    call.Finish(absl::OkStatus());
  } else if (!bearer->has_value()) {
    call.Finish(InvalidField("credential", "must be set, or send `authorization: Bearer …` metadata"));
  } else {
    validate_.Run(std::string(**bearer), deadline,
                  AnswerWithOwn(CertificateOf(*context), AnswerWithValidation(std::move(call), response)));
  }
  return reactor;
}

grpc::ServerUnaryReactor* AuthHandlers::ChangePassword(grpc::CallbackServerContext* context,
                                                       const v1::ChangePasswordRequest* request,
                                                       v1::ChangePasswordResponse*) {
  UnaryCall call(tools_, context, "/watchword.v1.AuthService/ChangePassword");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  const auto bearer = BearerOf(*context);
  if (!bearer.ok() || !bearer->has_value()) {
    call.Finish(bearer.ok() ? NobodyChanges() : bearer.status());
    return reactor;
  }
  CallAudit audit(tools_, *context, kAuditPasswordChanged, call.method());
  change_password_.Run(
      {.bearer = std::string(**bearer),
       .current_password = PasswordOf(request->current_password()),
       .new_password = PasswordOf(request->new_password()),
       .deadline = DeadlineOf(*context),
       .source = SourceOfPeer(context->peer())},
      [call = std::move(call), audit = std::move(audit)](const absl::StatusOr<PrincipalRecord>& user) {
        audit.Record(user.status(),
                     user.ok() ? AuditTarget{.subject = user->id.ToString(), .username = user->name} : AuditTarget());
        call.Finish(user.status());
      });
  return reactor;
}

grpc::ServerUnaryReactor* AuthHandlers::Logout(grpc::CallbackServerContext* context, const v1::LogoutRequest* request,
                                               v1::LogoutResponse* response) {
  UnaryCall call(tools_, context, "/watchword.v1.AuthService/Logout");
  grpc::ServerUnaryReactor* reactor = call.reactor();
  const auto bearer = BearerOf(*context);
  if (!bearer.ok() && request->refresh_token().empty()) {
    call.Finish(InvalidField("refresh_token", "is not set, and the `authorization` metadata is malformed"));
    return reactor;
  }
  CallAudit audit(tools_, *context, kAuditLogout, call.method());
  logout_.Run({.bearer = bearer.ok() ? std::string(bearer->value_or("")) : "",
               .refresh_token = request->refresh_token(),
               .all_sessions = request->all_sessions(),
               .wait_for_verifiers = request->wait_for_verifiers(),
               .deadline = DeadlineOf(*context)},
              [call = std::move(call), audit = std::move(audit), all = request->all_sessions(),
               response](const absl::StatusOr<LogoutCommand::Ended>& ended) {
                if (ended.ok()) {
                  if (!ended->subject.empty()) {
                    audit.Record(
                        absl::OkStatus(),
                        {.subject = ended->subject, .session = ended->session, .detail = all ? "all_sessions" : ""});
                  }
                  response->set_verifiers_acknowledged(static_cast<int32_t>(ended->acknowledged));
                  response->set_verifiers_live(static_cast<int32_t>(ended->live));
                  response->set_verifiers_lost(static_cast<int32_t>(ended->lost));
                }
                call.Finish(ended.status());
              });
  return reactor;
}

}  // namespace watchword
