#include "watchword/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace watchword {
namespace {

absl::Status Failed(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
}

constexpr size_t kFirstRead = 64 << 10;

absl::StatusOr<std::string> ReadDescriptor(int descriptor, const std::string& path, size_t max_size) {
  // Grows as it is filled: most files are far from the limit. What fits at first, as secrets do, is never copied.
  std::string contents(std::min(max_size + 1, kFirstRead), '\0');
  size_t size = 0;
  while (true) {
    if (size == contents.size()) {
      if (size > max_size) break;
      contents.resize(std::min(max_size + 1, 2 * size));
    }
    const ssize_t got = read(descriptor, contents.data() + size, contents.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed("cannot read", path);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > max_size) return absl::OutOfRangeError(absl::StrCat(path, " is larger than ", max_size, " bytes"));
  contents.resize(size);
  return contents;
}

absl::StatusOr<std::string> Read(const std::string& path, size_t max_size, bool secret) {
  // A secret is no pipe: opening one would wait for its writer, before it can be seen what it is.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | (secret ? O_NONBLOCK : 0));
  if (descriptor < 0) return Failed("cannot open", path);
  const absl::Cleanup close_it = [descriptor] { close(descriptor); };
  if (secret) {
    struct stat info {};
    if (fstat(descriptor, &info) != 0) return Failed("cannot inspect", path);
    if (!S_ISREG(info.st_mode)) return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
    if (!KeepsSecret(info.st_uid, info.st_mode, geteuid())) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " may be read by others than its owner; run: chmod 600 ", path));
    }
  }
  return ReadDescriptor(descriptor, path, max_size);
}

absl::Status WriteAll(int descriptor, absl::string_view contents, const std::string& path) {
  while (!contents.empty()) {
    const ssize_t put = write(descriptor, contents.data(), contents.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return Failed("cannot write", path);
    contents.remove_prefix(static_cast<size_t>(put));
  }
  if (fsync(descriptor) != 0) return Failed("cannot write", path);
  return absl::OkStatus();
}

absl::Status SyncFolderOf(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return Failed("cannot open", folder);
  const absl::Cleanup close_it = [descriptor] { close(descriptor); };
  if (fsync(descriptor) != 0) return Failed("cannot write", folder);
  return absl::OkStatus();
}

absl::Status Put(const std::string& path, absl::string_view contents, bool replace) {
  std::string beside = absl::StrCat(path, ".XXXXXX");
  const int descriptor = mkostemp(beside.data(), O_CLOEXEC);  // mode 0600
  if (descriptor < 0) return Failed("cannot create a file beside", path);
  const absl::Cleanup remove_it = [&beside] { unlink(beside.c_str()); };
  const absl::Status written = WriteAll(descriptor, contents, path);
  close(descriptor);
  if (!written.ok()) return written;
  const int placed =
      replace ? rename(beside.c_str(), path.c_str()) : link(beside.c_str(), path.c_str());  // link never replaces
  if (placed != 0) return Failed("cannot create", path);
  return SyncFolderOf(path);
}

}  // namespace

bool KeepsSecret(uid_t owner, mode_t mode, uid_t reader) {
  const bool is_given_by_root = owner == 0 && reader != 0;
  return (mode & (is_given_by_root ? 037 : 077)) == 0;
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_size) { return Read(path, max_size, false); }

absl::StatusOr<std::string> ReadSecretFile(const std::string& path, size_t max_size) {
  return Read(path, max_size, true);
}

absl::Status WriteSecretFile(const std::string& path, absl::string_view contents) {
  return Put(path, contents, /*replace=*/true);
}

absl::Status CreateSecretFile(const std::string& path, absl::string_view contents) {
  return Put(path, contents, /*replace=*/false);
}

absl::Status MakePrivateFolder(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(path, " is not a folder"));
  }
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (!parent.empty() && parent != path) {
    if (auto status = MakePrivateFolder(parent); !status.ok()) return status;
  }
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Failed("cannot create folder", path);
  return absl::OkStatus();
}

}  // namespace watchword
