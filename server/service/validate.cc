#include "server/service/validate.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/service/errors.h"
#include "server/service/on_executor.h"
#include "watchword/base/reason.h"
#include "watchword/token/jws.h"
#include "watchword/token/opaque_token.h"
#include "watchword/token/reasons.h"
#include "watchword/token/verifier.h"

namespace watchword {
namespace {

constexpr absl::string_view kValidateScope = "watchword.validate";
constexpr absl::string_view kVerifierScope = "watchword.verifier";
constexpr size_t kRememberedPrincipals = 65'536;

Validation Inactive(absl::string_view reason) { return Validation{.reason = std::string(reason)}; }

bool Contains(const std::vector<std::string>& values, absl::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// The server judges tokens for every audience, as RFC 7662 has it: whom a token is for is part of the answer.
TokenVerifier OwnTokens(const Settings& settings) {
  return *TokenVerifier::Create({.issuer = settings.issuer, .max_lifetime = kMaxAccessTokenTtl, .any_audience = true});
}

}  // namespace

ValidateQuery::ValidateQuery(const Environment& environment, SessionCache& sessions)
    : environment_(environment),
      sessions_(sessions),
      checker_(OwnTokens(environment.settings), environment.trust, environment.clock),
      principals_(kRememberedPrincipals) {}

void ValidateQuery::Run(std::string credential, absl::Time deadline, Done<Validation> done) {
  if (absl::StartsWith(credential, kSessionTokenPrefix)) {
    return ValidateSessionToken(credential, deadline, std::move(done));
  }
  ValidateAccessToken(credential, deadline, std::move(done));
}

void ValidateQuery::RunForCaller(Caller caller, std::vector<std::string> scopes, absl::Time deadline,
                                 Done<Validation> done) {
  Run(std::move(caller.credential), deadline,
      [this, certificate_sha256 = std::move(caller.certificate_sha256), scopes = std::move(scopes),
       done = std::move(done)](absl::StatusOr<Validation> verdict) mutable {
        if (!verdict.ok()) return done(verdict.status());
        if (!verdict->active) {
          return done(ErrorWithReason(absl::StatusCode::kUnauthenticated, verdict->reason,
                                      "the caller's own credential is not good"));
        }
        if (!verdict->certificate_sha256.empty() && verdict->certificate_sha256 != certificate_sha256) {
          return done(ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenInvalid,
                                      "the caller's own credential is bound to another client certificate"));
        }
        if (!Contains(verdict->audiences, environment_.settings.issuer)) {
          return done(ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenInvalid,
                                      "the caller's own credential is not for this server"));
        }
        const bool may = std::any_of(scopes.begin(), scopes.end(),
                                     [&verdict](const std::string& scope) { return Contains(verdict->scopes, scope); });
        if (!may) {
          return done(ErrorWithReason(absl::StatusCode::kPermissionDenied, kInsufficientScope,
                                      absl::StrCat("the caller needs the scope ", absl::StrJoin(scopes, " or "))));
        }
        done(std::move(verdict));
      });
}

void ValidateQuery::RunFor(Caller caller, std::string credential, absl::Time deadline, Done<Validation> done) {
  RunForCaller(std::move(caller), {std::string(kValidateScope), std::string(kVerifierScope)}, deadline,
               [this, credential = std::move(credential), deadline,
                done = std::move(done)](const absl::StatusOr<Validation>& who) mutable {
                 if (!who.ok()) return done(who.status());
                 Run(std::move(credential), deadline, std::move(done));
               });
}

bool ValidateQuery::MayBeOfANewerKey(const std::string& token) const {
  if (!environment_.keys.may_be_behind()) return false;
  const absl::StatusOr<std::string> key_id = ClaimedKeyId(token);
  return key_id.ok() && environment_.trust.keys()->Find(*key_id) == nullptr;
}

void ValidateQuery::ValidateAccessToken(const std::string& credential, absl::Time deadline, Done<Validation> done) {
  const auto checked = checker_.Check(credential);
  if (checked.status().code() == absl::StatusCode::kUnauthenticated) {
    if (!MayBeOfANewerKey(credential)) return done(Inactive(ReasonOf(checked.status())));
    return done(ErrorWithReason(absl::StatusCode::kUnavailable, kStoreUnavailable,
                                "the signing keys could not be read lately, and the token's key may be a new one"));
  }
  if (!checked.ok()) return done(checked.status());
  const Claims& claims = (*checked)->claims();
  Validation validation{.active = true,
                        .kind = SessionKind::kAccessToken,
                        .subject = claims.subject,
                        .session_id = claims.session_id,
                        .audiences = claims.audiences,
                        .scopes = claims.scopes,
                        .expires_at = claims.expires_at,
                        .certificate_sha256 = claims.certificate_sha256};
  if (const auto who = principals_.Find(claims.subject)) {
    validation.username = who->name;
    validation.principal_kind = who->kind;
    return done(std::move(validation));
  }
  OnExecutor<Validation>(
      environment_.store_executor, deadline,
      [this, validation = std::move(validation)]() mutable -> absl::StatusOr<Validation> {
        const absl::StatusOr<Uuid> id = Uuid::Parse(validation.subject);
        if (!id.ok()) return Inactive(kTokenInvalid);
        const absl::StatusOr<PrincipalRecord> principal = environment_.store.users().Find(*id);
        if (!principal.ok()) return StoreFailed(principal.status());
        principals_.Put(validation.subject, {principal->name, principal->kind});
        validation.username = principal->name;
        validation.principal_kind = principal->kind;
        return std::move(validation);
      },
      std::move(done));
}

void ValidateQuery::ValidateSessionToken(const std::string& credential, absl::Time deadline, Done<Validation> done) {
  const absl::StatusOr<std::string> bound_to = ParseSessionToken(credential);
  if (!bound_to.ok()) return done(Inactive(kTokenInvalid));
  done = [certificate_sha256 = *bound_to, done = std::move(done)](absl::StatusOr<Validation> validation) mutable {
    if (validation.ok() && validation->active) validation->certificate_sha256 = certificate_sha256;
    done(std::move(validation));
  };
  const std::string digest = Sha256(credential);
  const absl::Time now = environment_.clock.Now();
  const auto entry = sessions_.Find(digest);
  // One that seems to have been idle for too long may have been used elsewhere: the store knows.
  if (entry != nullptr && now < entry->idle_expires_at()) return done(JudgeSession(*entry, now));
  OnExecutor<Validation>(
      environment_.store_executor, deadline, [this, digest] { return LookUpSession(digest); }, std::move(done));
}

absl::StatusOr<Validation> ValidateQuery::LookUpSession(const std::string& digest) {
  absl::StatusOr<SessionView> view = environment_.store.sessions().FindByTokenDigest(digest);
  if (view.status().code() == absl::StatusCode::kNotFound) return Inactive(kTokenInvalid);
  if (!view.ok()) return StoreFailed(view.status());
  if (!BindingHolds(environment_, *view)) return Inactive(kTokenInvalid);
  if (view->revoked()) return Inactive(kTokenRevoked);
  return JudgeSession(*sessions_.Put(*std::move(view)), environment_.clock.Now());
}

Validation ValidateQuery::JudgeSession(SessionCache::Entry& entry, absl::Time now) const {
  const auto& [session, principal] = entry.view();
  const VerifiedCredential credential = VerifiedCredential::AssumeVerified(
      {.subject = principal.id.ToString(), .session_id = session.id.ToString(), .issued_at = session.created_at}, "");
  if (environment_.trust.revocations().IsRevoked(credential)) return Inactive(kTokenRevoked);
  if (now >= entry.idle_expires_at()) return Inactive(kTokenExpired);
  entry.NoteUse(now);
  return Validation{.active = true,
                    .kind = SessionKind::kSessionToken,
                    .subject = principal.id.ToString(),
                    .username = principal.name,
                    .principal_kind = principal.kind,
                    .session_id = session.id.ToString(),
                    .audiences = session.audiences,
                    .scopes = session.scopes,
                    .expires_at = entry.idle_expires_at(),
                    .session_expires_at = session.expires_at,
                    .idle_timeout = environment_.settings.session_idle_timeout};
}

}  // namespace watchword
