#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace watchword {

// The contents of a file of at most `max_size` bytes. NOT_FOUND, PERMISSION_DENIED or another code of
// absl::ErrnoToStatus; OUT_OF_RANGE if it is larger. Messages name the path.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_size);

// Whether a file of this owner and mode keeps a secret for the user `reader`: nobody but its owner has any access
// (mode & 077). A file of root's may also be readable by its group, which is how Kubernetes mounts Secrets for programs
// that do not run as root (and what PostgreSQL allows for keys).
bool KeepsSecret(uid_t owner, mode_t mode, uid_t reader);

// As ReadFile, for secrets: FAILED_PRECONDITION if the file is not a regular file or does not keep a secret for this
// process (KeepsSecret).
absl::StatusOr<std::string> ReadSecretFile(const std::string& path, size_t max_size);

// Puts a file with mode 0600 at `path`, in one step that survives a crash (write beside it, fsync, rename, fsync the
// folder): readers see the old contents or the new, never a part.
absl::Status WriteSecretFile(const std::string& path, absl::string_view contents);

// As WriteSecretFile, but ALREADY_EXISTS if there is a file at `path`, which is then left alone.
absl::Status CreateSecretFile(const std::string& path, absl::string_view contents);

// Makes the folder with mode 0700, and its parents, unless it is there.
absl::Status MakePrivateFolder(const std::string& path);

}  // namespace watchword
