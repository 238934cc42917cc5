#include "server/service/accounts.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/domain/names.h"
#include "server/service/errors.h"
#include "server/service/feed.h"
#include "server/service/login_throttle.h"
#include "server/service/on_executor.h"
#include "server/service/password_check.h"
#include "watchword/base/reason.h"
#include "watchword/token/opaque_token.h"

namespace watchword {
namespace {

constexpr size_t kMaxScopes = 32;

absl::StatusOr<std::string> CheckUsername(absl::string_view username) {
  if (username.empty()) return InvalidField("username", "must not be empty");
  absl::StatusOr<std::string> name = CanonicalUsername(username);
  if (!name.ok()) return InvalidField("username", name.status().message());
  return name;
}

absl::Status CheckScopes(const std::vector<std::string>& scopes) {
  if (scopes.size() > kMaxScopes) return InvalidField("scopes", absl::StrCat("must be at most ", kMaxScopes));
  for (const std::string& scope : scopes) {
    if (auto status = CheckScope(scope); !status.ok()) return InvalidField("scopes", status.message());
  }
  return absl::OkStatus();
}

absl::Status NoSuchUser(absl::string_view name) {
  return ErrorWithReason(absl::StatusCode::kNotFound, kUserNotFound, absl::StrCat("there is no user ", name));
}

// Has `hash()` make a hash on the hash executor, then goes on with `then(hash)` on the store executor.
template <typename Hash, typename Then>
void HashThen(const Environment& environment, Hash hash, absl::Time deadline, Then then, Done<PrincipalRecord> done) {
  OnExecutor<std::string>(
      environment.hash_executor, deadline, std::move(hash),
      [&environment, deadline, then = std::move(then),
       done = std::move(done)](absl::StatusOr<std::string> made) mutable {
        if (!made.ok()) return done(NotDone(made.status()));
        OnExecutor<PrincipalRecord>(
            environment.store_executor, deadline,
            [then = std::move(then), made = *std::move(made)]() mutable { return then(std::move(made)); },
            std::move(done));
      },
      environment.hasher.memory());
}

// The work of hashing a password that somebody has thought up, or a secret that was generated.
auto HashingPassword(const Environment& environment, Secret password, std::string username) {
  return [&environment, password = std::move(password), username = std::move(username)] {
    return HashNewPassword(environment, password, username, "password");
  };
}
auto HashingSecret(const Environment& environment, absl::string_view secret) {
  return [&environment, secret = Secret::CopyOf(secret)] { return environment.hasher.Hash(secret); };
}

absl::StatusOr<PrincipalRecord> CreatePrincipal(const Environment& environment, PrincipalKind kind, std::string name,
                                                std::vector<std::string> scopes, std::string hash,
                                                bool disabled = false) {
  const absl::Time now = absl::FromUnixMicros(absl::ToUnixMicros(environment.clock.Now()));  // as stored
  absl::StatusOr<Uuid> id = Uuid::NewV7(now, environment.random);
  if (!id.ok()) return id.status();
  PrincipalRecord principal{.id = *id,
                            .kind = kind,
                            .name = std::move(name),
                            .password_hash = std::move(hash),
                            .scopes = std::move(scopes),
                            .disabled = disabled,
                            .created_at = now};
  const absl::Status status = environment.store.users().Create(principal);
  if (status.code() == absl::StatusCode::kAlreadyExists) {
    return ErrorWithReason(absl::StatusCode::kAlreadyExists, kUserExists,
                           absl::StrCat("there is an account ", principal.name, " already"));
  }
  if (!status.ok()) return StoreFailed(status);
  environment.log.Info(kind == PrincipalKind::kUser ? "user created" : "service account created",
                       {{"user", principal.name}, {"subject", principal.id.ToString()}});
  return principal;
}

// Replaces the password of an account of this kind, which ends its sessions.
// What was guessed before does not matter any more. The rest is done already and stays so.
void ForgetFailedLogins(const Environment& environment, const std::string& name) {
  const absl::Status forgotten = environment.throttle.Forget(name);
  if (forgotten.ok()) return;
  environment.log.Warning("failed logins of a user are not forgotten yet; the account may be blocked for a while",
                          {{"user", name}, {"error", std::string(forgotten.message())}});
}

absl::StatusOr<PrincipalRecord> ReplacePassword(const Environment& environment, PrincipalKind kind,
                                                const std::string& username, const std::string& hash) {
  absl::StatusOr<PrincipalRecord> principal = FindUser(environment, username);
  if (!principal.ok()) return principal;
  if (principal->kind != kind) {
    return kind == PrincipalKind::kUser
               ? ErrorWithReason(absl::StatusCode::kFailedPrecondition, kNotAUser,
                                 absl::StrCat(principal->name, " is a service account: rotate its secret"))
               : ErrorWithReason(absl::StatusCode::kFailedPrecondition, kNotAServiceAccount,
                                 absl::StrCat(principal->name, " is a user: set the password"));
  }
  const absl::Time now = environment.clock.Now();
  const auto revoked = environment.store.users().SetPassword(principal->id, hash, now, RevocationExpiresAt(now));
  if (revoked.status().code() == absl::StatusCode::kNotFound) return NoSuchUser(principal->name);
  if (!revoked.ok()) return StoreFailed(revoked.status());
  environment.feed.Announce(*revoked);
  ForgetFailedLogins(environment, principal->name);
  environment.log.Info("password set", {{"user", principal->name}});
  return principal;
}

absl::StatusOr<std::string> MakeSecret(RandomSource& random) {
  std::array<uint8_t, kServiceSecretContentSize> bytes;
  if (auto status = random.Fill(absl::MakeSpan(bytes)); !status.ok()) return status;
  std::string secret =
      FormatOpaqueToken(kServiceSecretPrefix, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return secret;
}

// The answer to who asked for a secret.
Done<PrincipalRecord> WithSecret(std::string secret, Done<Accounts::NewSecret> done) {
  return [secret = std::move(secret), done = std::move(done)](absl::StatusOr<PrincipalRecord> account) mutable {
    if (!account.ok()) return done(account.status());
    done(Accounts::NewSecret{.account = *std::move(account), .secret = std::move(secret)});
  };
}

}  // namespace

absl::StatusOr<PrincipalRecord> FindUser(const Environment& environment, absl::string_view username) {
  absl::StatusOr<std::string> name = CheckUsername(username);
  if (!name.ok()) return name.status();
  absl::StatusOr<PrincipalRecord> principal = environment.store.users().FindByName(*name);
  if (principal.status().code() == absl::StatusCode::kNotFound) return NoSuchUser(*name);
  if (!principal.ok()) return StoreFailed(principal.status());
  return principal;
}

void Accounts::Create(std::string username, Secret password, std::vector<std::string> scopes, absl::Time deadline,
                      Done<PrincipalRecord> done) {
  absl::StatusOr<std::string> name = CheckUsername(username);
  if (!name.ok()) return done(name.status());
  absl::StatusOr<Secret> canonical = CheckPasswordForm(environment_, password, "password");
  if (!canonical.ok()) return done(canonical.status());
  if (auto status = CheckScopes(scopes); !status.ok()) return done(status);
  auto hashing = HashingPassword(environment_, *std::move(canonical), *name);  // before the name is moved away
  HashThen(
      environment_, std::move(hashing), deadline,
      [this, name = *std::move(name), scopes = std::move(scopes)](std::string hash) mutable {
        return CreatePrincipal(environment_, PrincipalKind::kUser, std::move(name), std::move(scopes), std::move(hash));
      },
      std::move(done));
}

void Accounts::Import(ImportedUser user, absl::Time deadline, Done<PrincipalRecord> done) {
  absl::StatusOr<std::string> name = CheckUsername(user.username);
  if (!name.ok()) return done(name.status());
  if (auto status = CheckScopes(user.scopes); !status.ok()) return done(status);
  if (!user.password_hash.empty()) {
    if (auto status = environment_.hasher.CheckStored(user.password_hash); !status.ok()) {
      return done(InvalidField("password_hash", status.message()));
    }
  }
  OnExecutor<PrincipalRecord>(
      environment_.store_executor, deadline,
      [this, name = *std::move(name), user = std::move(user)]() mutable {
        return CreatePrincipal(environment_, PrincipalKind::kUser, std::move(name), std::move(user.scopes),
                               std::move(user.password_hash), user.disabled);
      },
      std::move(done));
}

void Accounts::List(std::string after, size_t limit, absl::Time deadline, Done<std::vector<PrincipalRecord>> done) {
  OnExecutor<std::vector<PrincipalRecord>>(
      environment_.store_executor, deadline,
      [this, after = std::move(after), limit]() -> absl::StatusOr<std::vector<PrincipalRecord>> {
        auto principals = environment_.store.users().List(after, limit);
        if (!principals.ok()) return StoreFailed(principals.status());
        return principals;
      },
      std::move(done));
}

void Accounts::SetPassword(std::string username, Secret password, absl::Time deadline, Done<PrincipalRecord> done) {
  const absl::StatusOr<std::string> name = CheckUsername(username);
  if (!name.ok()) return done(name.status());
  absl::StatusOr<Secret> canonical = CheckPasswordForm(environment_, password, "password");
  if (!canonical.ok()) return done(canonical.status());
  HashThen(
      environment_, HashingPassword(environment_, *std::move(canonical), *name), deadline,
      [this, username = std::move(username)](const std::string& hash) {
        return ReplacePassword(environment_, PrincipalKind::kUser, username, hash);
      },
      std::move(done));
}

void Accounts::CreateServiceAccount(std::string name, std::vector<std::string> scopes, absl::Time deadline,
                                    Done<NewSecret> done) {
  absl::StatusOr<std::string> canonical = CheckUsername(name);
  if (!canonical.ok()) return done(canonical.status());
  if (auto status = CheckScopes(scopes); !status.ok()) return done(status);
  absl::StatusOr<std::string> secret = MakeSecret(environment_.random);
  if (!secret.ok()) return done(secret.status());
  auto hashing = HashingSecret(environment_, *secret);
  HashThen(
      environment_, std::move(hashing), deadline,
      [this, name = *std::move(canonical), scopes = std::move(scopes)](std::string hash) mutable {
        return CreatePrincipal(environment_, PrincipalKind::kServiceAccount, std::move(name), std::move(scopes),
                               std::move(hash));
      },
      WithSecret(*std::move(secret), std::move(done)));
}

void Accounts::RotateSecret(std::string name, absl::Time deadline, Done<NewSecret> done) {
  if (auto canonical = CheckUsername(name); !canonical.ok()) return done(canonical.status());
  absl::StatusOr<std::string> secret = MakeSecret(environment_.random);
  if (!secret.ok()) return done(secret.status());
  auto hashing = HashingSecret(environment_, *secret);
  HashThen(
      environment_, std::move(hashing), deadline,
      [this, name = std::move(name)](const std::string& hash) {
        return ReplacePassword(environment_, PrincipalKind::kServiceAccount, name, hash);
      },
      WithSecret(*std::move(secret), std::move(done)));
}

void Accounts::SetDisabled(std::string username, bool disabled, absl::Time deadline, Done<PrincipalRecord> done) {
  OnExecutor<PrincipalRecord>(
      environment_.store_executor, deadline,
      [this, username = std::move(username), disabled]() -> absl::StatusOr<PrincipalRecord> {
        absl::StatusOr<PrincipalRecord> principal = FindUser(environment_, username);
        if (!principal.ok()) return principal;
        const absl::Time now = environment_.clock.Now();
        const auto outcome =
            environment_.store.users().SetDisabled(principal->id, disabled, now, RevocationExpiresAt(now));
        if (outcome.status().code() == absl::StatusCode::kNotFound) return NoSuchUser(principal->name);
        if (!outcome.ok()) return StoreFailed(outcome.status());
        if (outcome->newly_revoked) environment_.feed.Announce(outcome->revocation);
        if (!disabled) ForgetFailedLogins(environment_, principal->name);
        environment_.log.Info(disabled ? "user disabled" : "user enabled", {{"user", principal->name}});
        principal->disabled = disabled;
        return principal;
      },
      std::move(done));
}

}  // namespace watchword
