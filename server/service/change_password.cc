#include "server/service/change_password.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/domain/passwords.h"
#include "server/service/errors.h"
#include "server/service/feed.h"
#include "server/service/on_executor.h"
#include "watchword/base/reason.h"

namespace watchword {

void ChangePasswordCommand::Run(Request request, Done<PrincipalRecord> done) {
  if (request.current_password.Reveal().size() > kMaxPasswordSize) {
    return done(InvalidField("current_password", absl::StrCat("must have at most ", kMaxPasswordSize, " bytes")));
  }
  absl::StatusOr<Secret> wanted = CheckPasswordForm(environment_, request.new_password, "new_password");
  if (!wanted.ok()) return done(wanted.status());
  request.new_password = *std::move(wanted);
  const std::string bearer = request.bearer;
  const absl::Time deadline = request.deadline;
  validate_.Run(
      bearer, deadline,
      [this, request = std::move(request), done = std::move(done)](const absl::StatusOr<Validation>& who) mutable {
        if (!who.ok()) return done(who.status());
        Prove(*who, std::move(request), std::move(done));
      });
}

void ChangePasswordCommand::Prove(const Validation& who, Request request, Done<PrincipalRecord> done) {
  if (!who.active) {
    return done(ErrorWithReason(absl::StatusCode::kUnauthenticated, who.reason, "the credential is not good"));
  }
  if (who.principal_kind != PrincipalKind::kUser) {
    return done(ErrorWithReason(absl::StatusCode::kFailedPrecondition, kNotAUser,
                                "a service account's secret is rotated by an administrator"));
  }
  PasswordCheck::Attempt attempt{.username = who.username,
                                 .source = std::move(request.source),
                                 .password = std::move(request.current_password),
                                 .deadline = request.deadline};
  passwords_.Run(std::move(attempt), [this, wanted = std::move(request.new_password), deadline = request.deadline,
                                      done = std::move(done)](absl::StatusOr<PasswordCheck::Proof> proof) mutable {
    if (!proof.ok()) return done(proof.status());
    HashAndStore(std::move(proof->principal), std::move(wanted), deadline, std::move(done));
  });
}

void ChangePasswordCommand::HashAndStore(PrincipalRecord principal, Secret wanted, absl::Time deadline,
                                         Done<PrincipalRecord> done) {
  const std::string name = principal.name;
  OnExecutor<std::string>(
      environment_.hash_executor, deadline,
      [this, wanted = std::move(wanted), name] { return HashNewPassword(environment_, wanted, name, "new_password"); },
      [this, principal = std::move(principal), deadline,
       done = std::move(done)](absl::StatusOr<std::string> hash) mutable {
        if (!hash.ok()) return done(hash.status());
        Store(std::move(principal), *std::move(hash), deadline, std::move(done));
      },
      environment_.hasher.memory());
}

void ChangePasswordCommand::Store(PrincipalRecord principal, std::string hash, absl::Time deadline,
                                  Done<PrincipalRecord> done) {
  OnExecutor<PrincipalRecord>(
      environment_.store_executor, deadline,
      [this, principal = std::move(principal), hash = std::move(hash)]() -> absl::StatusOr<PrincipalRecord> {
        const absl::Time now = environment_.clock.Now();
        // Not if it was set, or the account disabled, while this one hashed: whoever did that has the last word.
        const auto revoked = environment_.store.users().SetPassword(principal.id, hash, now, RevocationExpiresAt(now),
                                                                    principal.credential_version);
        if (revoked.status().code() == absl::StatusCode::kFailedPrecondition ||
            revoked.status().code() == absl::StatusCode::kNotFound) {
          return PasswordCheck::Refused();
        }
        if (!revoked.ok()) return StoreFailed(revoked.status());
        environment_.feed.Announce(*revoked);
        environment_.log.Info("password changed", {{"user", principal.name}});
        return principal;
      },
      std::move(done));
}

}  // namespace watchword
