#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "watchword/client/file_lock.h"

namespace watchword {

// The reason of the error that says that no login is stored.
inline constexpr absl::string_view kNotLoggedIn = "NOT_LOGGED_IN";

// What is kept of a login between two runs of a program.
struct StoredLogin {
  std::string address;   // as CanonicalAddress gives it
  std::string username;  // as it was given to Login
  std::string session_id;
  std::string credential;
  absl::Time expires_at;      // of the credential; for a session token, which is extended by use, the last known
  std::string refresh_token;  // empty for a session token
  std::vector<std::string> scopes;

  bool is_session_token() const { return refresh_token.empty(); }
};

// The folder in which logins are kept: one file for each address and user, and one for each address that names its
// default user, the last who logged in there. The folder has mode 0700 and its files 0600; a file of wider permissions
// is refused rather than read, since somebody else may have read or written it. Files are replaced in one step.
//
// Thread-safe, and safe among processes: whoever reads a login in order to change it holds its Lock.
class CredentialFolder {
 public:
  // $XDG_STATE_HOME/watchword, else $HOME/.local/state/watchword. FAILED_PRECONDITION if neither is an absolute path.
  static absl::StatusOr<std::string> DefaultPath();

  explicit CredentialFolder(std::string path) : path_(std::move(path)) {}

  // The login of a user. NOT_FOUND (NOT_LOGGED_IN) if there is none; FAILED_PRECONDITION if its permissions are too
  // wide or it is not such a file.
  absl::StatusOr<StoredLogin> Load(absl::string_view address, absl::string_view username) const;

  // Keeps a login, in place of the one that is there. INVALID_ARGUMENT if a name in it is not UTF-8.
  absl::Status Save(const StoredLogin& login) const;

  // Forgets a login; also as its address's default. OK if there is none.
  absl::Status Remove(absl::string_view address, absl::string_view username) const;

  // Who is used at an address unless said otherwise. NOT_FOUND (NOT_LOGGED_IN) if nobody is.
  absl::StatusOr<std::string> DefaultUser(absl::string_view address) const;
  absl::Status SetDefaultUser(absl::string_view address, absl::string_view username) const;

  // Excludes others from changing a login. DEADLINE_EXCEEDED if one of them takes longer than `timeout`.
  absl::StatusOr<FileLock> Lock(absl::string_view address, absl::string_view username, absl::Duration timeout) const;

 private:
  absl::Status MakeFolder() const;
  std::string FileOf(absl::string_view address, absl::string_view username, absl::string_view ending) const;

  const std::string path_;
};

}  // namespace watchword
