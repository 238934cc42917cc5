#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "watchword/token/credential.h"

namespace watchword {

// Gives the client certificate of a call's connection as PEM; empty if there is none. Called only if it matters.
using PeerCertificate = absl::FunctionRef<std::string()>;

// SHA-256 of the DER form of a certificate in PEM; empty if it is none.
std::string CertificateSha256(absl::string_view pem);

// Whether a credential that is bound to a client certificate came over a connection with that certificate (RFC 8705
// section 3): OK, also for one that is not bound, or UNAUTHENTICATED with TOKEN_INVALID.
absl::Status CheckCertificateBinding(const Claims& claims, PeerCertificate peer_certificate);

}  // namespace watchword
