#include "watchword/gate/certificate_binding.h"

#include "absl/strings/escaping.h"
#include "watchword/base/reason.h"
#include "watchword/token/opaque_token.h"
#include "watchword/token/reasons.h"

namespace watchword {
namespace {

constexpr absl::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr absl::string_view kEnd = "-----END CERTIFICATE-----";

}  // namespace

std::string CertificateSha256(absl::string_view pem) {
  const size_t begin = pem.find(kBegin);
  if (begin == absl::string_view::npos) return "";
  pem.remove_prefix(begin + kBegin.size());
  const size_t end = pem.find(kEnd);
  std::string der;
  if (end == absl::string_view::npos || !absl::Base64Unescape(pem.substr(0, end), &der)) return "";
  return Sha256(der);
}

absl::Status CheckCertificateBinding(const Claims& claims, PeerCertificate peer_certificate) {
  if (claims.certificate_sha256.empty()) return absl::OkStatus();
  if (CertificateSha256(peer_certificate()) == claims.certificate_sha256) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenInvalid,
                         "the credential is bound to another client certificate");
}

}  // namespace watchword
