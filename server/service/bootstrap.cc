#include "server/service/bootstrap.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/domain/passwords.h"
#include "watchword/base/base64url.h"
#include "watchword/base/file.h"

namespace watchword {
namespace {

constexpr size_t kGeneratedBytes = 24;  // 32 characters
constexpr size_t kMaxFileSize = kMaxPasswordSize + 2;

absl::StatusOr<Secret> ReadPassword(const std::string& path, const Bootstrap& bootstrap) {
  absl::StatusOr<std::string> line = ReadSecretFile(path, kMaxFileSize);
  if (!line.ok()) return line.status();
  const Secret contents(*std::move(line));
  absl::StatusOr<Secret> password =
      CanonicalPassword(absl::StripSuffix(absl::StripSuffix(contents.Reveal(), "\n"), "\r"));
  absl::Status status = password.status();
  if (status.ok()) status = CheckNewPassword(*password, bootstrap.password_min_characters);
  if (status.ok()) status = CheckNotCommon(*password, bootstrap.username, bootstrap.issuer);
  if (!status.ok()) {
    return absl::FailedPreconditionError(absl::StrCat("the password in ", path, " ", status.message()));
  }
  return password;
}

// The generated password: written before the account is made, and read back if a start was cut short in between.
absl::StatusOr<Secret> GeneratePassword(const Bootstrap& bootstrap, RandomSource& random) {
  const std::string& path = bootstrap.generated_password_file;
  std::string bytes(kGeneratedBytes, '\0');
  if (auto status = random.Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size())); !status.ok()) {
    return status;
  }
  const Secret line(absl::StrCat(Base64UrlEncode(bytes), "\n"));
  Secret::Wipe(bytes);
  const absl::Status created = CreateSecretFile(path, line.Reveal());
  if (!created.ok() && created.code() != absl::StatusCode::kAlreadyExists) return created;
  return ReadPassword(path, bootstrap);
}

}  // namespace

absl::Status EnsureAdministrator(const Bootstrap& bootstrap, UserStore& users, const PasswordHasher& hasher,
                                 const Clock& clock, RandomSource& random, Logger& log) {
  const absl::StatusOr<std::vector<PrincipalRecord>> first = users.List("", 1);
  if (!first.ok()) return first.status();
  if (!first->empty()) {
    log.Debug("there are users already; no administrator is made");
    return absl::OkStatus();
  }
  const absl::StatusOr<Secret> password = bootstrap.password_file.has_value()
                                              ? ReadPassword(*bootstrap.password_file, bootstrap)
                                              : GeneratePassword(bootstrap, random);
  if (!password.ok()) return password.status();
  const absl::StatusOr<std::string> hash = hasher.Hash(*password);
  if (!hash.ok()) return hash.status();
  const absl::Time now = clock.Now();
  const absl::StatusOr<Uuid> id = Uuid::NewV7(now, random);
  if (!id.ok()) return id.status();
  const absl::Status created = users.Create({.id = *id,
                                             .name = bootstrap.username,
                                             .password_hash = *hash,
                                             .scopes = {"watchword.admin", "watchword.validate"},
                                             .created_at = now});
  if (absl::IsAlreadyExists(created)) {
    log.Warning("another server has created the first administrator, with the password that it was given",
                {{"user", bootstrap.username}});
    return absl::OkStatus();
  }
  if (!created.ok()) return created;
  log.Info("first administrator created",
           {{"user", bootstrap.username},
            {"password_file", bootstrap.password_file.value_or(bootstrap.generated_password_file)}});
  return absl::OkStatus();
}

}  // namespace watchword
