#pragma once

#include <string>

#include "absl/status/status.h"

namespace watchword {

// Whether a server can use these PEM files for TLS: a certificate (the first in its file) and the private key that
// belongs to it, and, unless `client_ca` is empty, at least one certificate that may sign those of clients. gRPC would
// find out with the first client, and refuse all of them.
//
// FAILED_PRECONDITION with one line that names the file. The key must not have a passphrase.
absl::Status CheckTlsFiles(const std::string& certificate, const std::string& key, const std::string& client_ca);

}  // namespace watchword
