#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/channel.h>

#include "absl/status/statusor.h"
#include "watchword/base/clock.h"
#include "watchword/base/secret.h"
#include "watchword/credentials/token_source.h"

namespace watchword {

// What to log in with.
struct Password {
  std::string username;
  Secret password;
};

// What a program asks Login for.
struct TokenRequest {
  std::vector<std::string> audiences;  // none: the auth service's own
  std::vector<std::string> scopes;     // none: all that the account has
};

// Logs in when a credential is first asked for, and keeps it fresh from then on: in the background from a minute before
// it expires, in the way of callers only from 30 s before (for lifetimes under two minutes: half and a quarter of the
// lifetime). However many ask, one call is made. While no other can be had, a credential is handed out until it
// expires; attempts that fail are repeated after 1 to 30 s. When the session is over, it logs in again. `channel` must
// be one of MakeChannel. `password` is asked for before each login. Borrows `clock`.
std::unique_ptr<TokenSource> MakeLoginTokenSource(const std::shared_ptr<grpc::ChannelInterface>& channel,
                                                  std::function<absl::StatusOr<Password>()> password,
                                                  TokenRequest request = {}, const Clock& clock = SystemClock());

// The name and secret of a service account: the JSON file {"name": …, "secret": …} that `watchword service-account add`
// writes. FAILED_PRECONDITION if others than its owner may read or write it, INVALID_ARGUMENT if it is not such a file,
// or a code of ReadFile.
absl::StatusOr<Password> ReadServiceAccountFile(const std::string& path);

// Logs in as the service account of a file, which is read before each login, so that a rotated secret is found. The
// errors of ReadServiceAccountFile if it cannot be used now.
absl::StatusOr<std::unique_ptr<TokenSource>> MakeServiceAccountTokenSource(
    const std::shared_ptr<grpc::ChannelInterface>& channel, std::string path, TokenRequest request = {});

// The credential in a file that somebody else keeps fresh, such as a volume that Kubernetes projects: read again when
// the file changes. While it cannot be read, the credential it last had is handed out, unless that was rejected. Spaces
// and line ends around it are left out.
std::unique_ptr<TokenSource> MakeFileTokenSource(std::string path);

}  // namespace watchword
