// Access tokens: no input but the genuine tokens in the corpus is ever accepted, and whatever the claims parser takes
// keeps its promises.
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "fuzz.h"
#include "fuzz_keys.h"
#include "watchword/token/claims.h"
#include "watchword/token/verifier.h"

namespace watchword {
namespace {

const KeySet& Keys() {
  static const auto& keys = *new KeySet(KeySet::Parse(kFuzzJwks).value());
  return keys;
}

const TokenVerifier& Verifier() {
  static const auto& verifier =
      *new TokenVerifier(TokenVerifier::Create({.issuer = "https://issuer.test", .audiences = {"orders"}}).value());
  return verifier;
}

// The part that is signed is one of those that were: ECDSA allows for several signatures of one message.
bool IsGenuine(absl::string_view token) {
  const absl::string_view signed_part = token.substr(0, token.rfind('.'));
  for (const absl::string_view genuine : kFuzzTokens) {
    if (signed_part == genuine.substr(0, genuine.rfind('.'))) return true;
  }
  return false;
}

void CheckClaims(absl::string_view payload) {
  const auto claims = ParseClaims(payload);
  if (!claims.ok()) return;
  Require(!claims->issuer.empty() && !claims->subject.empty() && !claims->session_id.empty());
  Require(claims->subject.size() <= 255 && claims->session_id.size() <= 255 && claims->token_id.size() <= 255);
  Require(!claims->audiences.empty());
  Require(claims->expires_at > absl::UnixEpoch() && claims->expires_at < absl::InfiniteFuture());
  Require(claims->certificate_sha256.empty() || claims->certificate_sha256.size() == 32);
  for (const char c : claims->session_id) Require(!absl::ascii_iscntrl(static_cast<unsigned char>(c)));
}

}  // namespace

void Fuzz(absl::string_view input) {
  const auto verified = Verifier().Verify(input, Keys(), kFuzzNow);
  if (verified.ok()) Require(IsGenuine(input));
  Require(verified.ok() || verified.status().code() == absl::StatusCode::kUnauthenticated);
  const auto payload = VerifySignatureOnly(input, Keys());
  if (payload.ok()) Require(IsGenuine(input));
  CheckClaims(input);
}

}  // namespace watchword
