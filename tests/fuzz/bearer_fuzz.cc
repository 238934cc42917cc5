// The value of an authorization entry: what is taken for a credential is a part of it with allowed characters only.
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "fuzz.h"
#include "watchword/gate/bearer.h"
#include "watchword/gate/certificate_binding.h"
#include "watchword/token/verifier.h"

namespace watchword {

void Fuzz(absl::string_view input) {
  const auto bearer = ParseBearer(input);
  if (bearer.ok()) {
    Require(!bearer->empty() && bearer->size() <= kMaxCredentialSize);
    Require(absl::EndsWith(input, *bearer) && bearer->size() + 7 == input.size());
    for (const char c : *bearer) Require(absl::ascii_isgraph(static_cast<unsigned char>(c)));
  }
  AuthorizationEntries entries;
  entries.Add(input);
  Require(entries.Bearer().ok() == bearer.ok());
  entries.Add(input);
  Require(!entries.Bearer().ok());
  const std::string digest = CertificateSha256(input);
  Require(digest.empty() || digest.size() == 32);
}

}  // namespace watchword
