#include "watchword/client/credential_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "watchword/base/base64url.h"
#include "watchword/base/file.h"
#include "watchword/base/reason.h"
#include "watchword/token/opaque_token.h"

namespace watchword {
namespace {

constexpr size_t kMaxFileSize = 64 << 10;
constexpr absl::string_view kVersion = "watchword-login-1";

absl::StatusOr<std::string> ToJson(const StoredLogin& login) {
  const nlohmann::ordered_json object = {
      {"format", std::string(kVersion)},
      {"address", login.address},
      {"username", login.username},
      {"session_id", login.session_id},
      {"credential", login.credential},
      {"expires_at", absl::FormatTime(absl::RFC3339_full, login.expires_at, absl::UTCTimeZone())},
      {"refresh_token", login.refresh_token},
      {"scopes", login.scopes},
  };
  try {
    return object.dump(2);
  } catch (const nlohmann::json::type_error&) {
    return absl::InvalidArgumentError("the login cannot be stored: its address or user name is not valid UTF-8");
  }
}

bool Get(const nlohmann::json& object, const char* name, std::string& value) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return false;
  value = found->get<std::string>();
  return true;
}

bool GetScopes(const nlohmann::json& object, std::vector<std::string>& scopes) {
  const auto found = object.find("scopes");
  if (found == object.end() || !found->is_array()) return false;
  for (const auto& scope : *found) {
    if (!scope.is_string()) return false;
    scopes.push_back(scope.get<std::string>());
  }
  return true;
}

std::optional<StoredLogin> FromJson(const std::string& text) {
  const auto object = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return std::nullopt;
  StoredLogin login;
  std::string format, expires_at, error;
  const bool complete = Get(object, "format", format) && Get(object, "address", login.address) &&
                        Get(object, "username", login.username) && Get(object, "session_id", login.session_id) &&
                        Get(object, "credential", login.credential) && Get(object, "expires_at", expires_at) &&
                        Get(object, "refresh_token", login.refresh_token) && GetScopes(object, login.scopes);
  if (!complete || format != kVersion || login.credential.empty()) return std::nullopt;
  if (!absl::ParseTime(absl::RFC3339_full, expires_at, &login.expires_at, &error)) return std::nullopt;
  return login;
}

// Upper and lower case are one to the server (RFC 8265 UsernameCaseMapped), so `login Alice` replaces alice's login.
std::string Folded(absl::string_view username) { return absl::AsciiStrToLower(username); }

absl::Status NotLoggedIn(absl::string_view address, absl::string_view username) {
  return ErrorWithReason(absl::StatusCode::kNotFound, kNotLoggedIn,
                         username.empty() ? absl::StrCat("not logged in at ", address)
                                          : absl::StrCat("not logged in at ", address, " as ", username));
}

absl::Status RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot remove ", path));
}

}  // namespace

absl::StatusOr<std::string> CredentialFolder::DefaultPath() {
  const char* state = getenv("XDG_STATE_HOME");
  if (state != nullptr && state[0] == '/') return absl::StrCat(state, "/watchword");
  const char* home = getenv("HOME");
  if (home != nullptr && home[0] == '/') return absl::StrCat(home, "/.local/state/watchword");
  return absl::FailedPreconditionError("no place to keep logins: set HOME or XDG_STATE_HOME to an absolute path");
}

absl::StatusOr<StoredLogin> CredentialFolder::Load(absl::string_view address, absl::string_view username) const {
  const std::string path = FileOf(address, username, ".json");
  const auto text = ReadSecretFile(path, kMaxFileSize);
  if (absl::IsNotFound(text.status())) return NotLoggedIn(address, username);
  if (!text.ok()) return text.status();
  auto login = FromJson(*text);
  // A file that was copied here from another name would send one server's token to another.
  if (!login.has_value() || login->address != address || Folded(login->username) != Folded(username)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is not the login of ", username, " at ", address, "; remove it and log in again"));
  }
  return *std::move(login);
}

absl::Status CredentialFolder::Save(const StoredLogin& login) const {
  if (auto status = MakeFolder(); !status.ok()) return status;
  const auto json = ToJson(login);
  if (!json.ok()) return json.status();
  return WriteSecretFile(FileOf(login.address, login.username, ".json"), *json);
}

absl::Status CredentialFolder::Remove(absl::string_view address, absl::string_view username) const {
  if (auto status = RemoveFile(FileOf(address, username, ".json")); !status.ok()) return status;
  const auto user = DefaultUser(address);
  if (user.ok() && Folded(*user) == Folded(username)) return RemoveFile(FileOf(address, "", ".default"));
  return absl::OkStatus();
}

absl::StatusOr<std::string> CredentialFolder::DefaultUser(absl::string_view address) const {
  auto user = ReadSecretFile(FileOf(address, "", ".default"), kMaxFileSize);
  if (absl::IsNotFound(user.status())) return NotLoggedIn(address, "");
  return user;
}

absl::Status CredentialFolder::SetDefaultUser(absl::string_view address, absl::string_view username) const {
  if (auto status = MakeFolder(); !status.ok()) return status;
  return WriteSecretFile(FileOf(address, "", ".default"), username);
}

absl::StatusOr<FileLock> CredentialFolder::Lock(absl::string_view address, absl::string_view username,
                                                absl::Duration timeout) const {
  if (auto status = MakeFolder(); !status.ok()) return status;
  return FileLock::Acquire(FileOf(address, username, ".lock"), timeout);
}

absl::Status CredentialFolder::MakeFolder() const {
  if (auto status = MakePrivateFolder(path_); !status.ok()) return status;
  struct stat info {};
  if (stat(path_.c_str(), &info) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot inspect ", path_));
  if ((info.st_mode & 077) != 0 && chmod(path_.c_str(), 0700) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("others may use the folder ", path_, " and it cannot be closed"));
  }
  return absl::OkStatus();
}

// Names may hold anything and be long, so files are named by a hash of both.
std::string CredentialFolder::FileOf(absl::string_view address, absl::string_view username,
                                     absl::string_view ending) const {
  const std::string digest = Sha256(absl::StrCat(address, "\n", Folded(username)));
  return absl::StrCat(path_, "/", Base64UrlEncode(digest), ending);
}

}  // namespace watchword
