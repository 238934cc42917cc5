#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "watchword/base/secret.h"

namespace watchword {

// What a server shows and asks for in a TLS handshake, as PEM.
struct TlsMaterial {
  std::string certificate_chain;
  Secret private_key;
  std::string client_ca;  // empty: clients are not asked for certificates
  absl::Time expires_at;  // when the server's certificate does
};

// Reads these PEM files, if a server can use them for TLS: certificates, the first of which is the server's, the
// private key that belongs to it, and, unless `client_ca` is empty, certificates that may sign those of clients. Each
// file is read to its end, so that one which is half written is refused. gRPC would find out with the next client, and
// refuse all of them.
//
// FAILED_PRECONDITION with one line that names the file. The key must not have a passphrase.
absl::StatusOr<TlsMaterial> ReadTlsFiles(const std::string& certificate, const std::string& key,
                                         const std::string& client_ca);

}  // namespace watchword
