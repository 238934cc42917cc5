#include "client/command/verify_command.h"

#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "watchword/base/base64url.h"
#include "watchword/base/file.h"
#include "watchword/base/reason.h"
#include "watchword/token/jwk.h"
#include "watchword/token/reasons.h"
#include "watchword/token/verifier.h"

namespace watchword {
namespace {

constexpr size_t kMaxJwksSize = 1024 * 1024;
constexpr int64_t kMaxUnixSeconds = 253402300799;  // 9999-12-31T23:59:59Z

// What is kept of a line: more than any token that is looked at has, also in base64.
constexpr size_t kMaxLineSize = 2 * kMaxCredentialSize;

// Reads up to the next line feed or the end. Of a longer line the rest is passed over. False at the end.
bool ReadLine(std::istream& in, std::string& line) {
  using Traits = std::istream::traits_type;
  line.clear();
  std::streambuf& buffer = *in.rdbuf();
  Traits::int_type c = buffer.sbumpc();
  if (Traits::eq_int_type(c, Traits::eof())) return false;
  for (; !Traits::eq_int_type(c, Traits::eof()); c = buffer.sbumpc()) {
    if (Traits::to_char_type(c) == '\n') break;
    if (line.size() <= kMaxLineSize) line.push_back(Traits::to_char_type(c));
  }
  return true;
}

// Standard base64 with padding (RFC 4648 section 4), strict.
absl::StatusOr<std::string> DecodeBase64(absl::string_view line) {
  const absl::Status refused =
      ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenInvalid, "the line is not base64");
  if (line.size() % 4 != 0 || absl::StrContains(line, '-') || absl::StrContains(line, '_')) return refused;
  if (absl::EndsWith(line, "=")) line.remove_suffix(1);
  if (absl::EndsWith(line, "=")) line.remove_suffix(1);
  absl::StatusOr<std::string> bytes = Base64UrlDecode(absl::StrReplaceAll(line, {{"+", "-"}, {"/", "_"}}));
  return bytes.ok() ? std::move(bytes) : refused;
}

nlohmann::ordered_json Refusal(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  absl::string_view detail = status.message();
  if (absl::StartsWith(detail, reason)) detail.remove_prefix(reason.size());
  if (absl::StartsWith(detail, ": ")) detail.remove_prefix(2);
  return {{"accepted", false}, {"reason", reason}, {"detail", std::string(detail)}};
}

nlohmann::ordered_json Acceptance(const Claims& claims) {
  return {{"accepted", true},
          {"subject", claims.subject},
          {"session_id", claims.session_id},
          {"issuer", claims.issuer},
          {"audiences", claims.audiences},
          {"scopes", claims.scopes},
          {"expires_at", absl::ToUnixSeconds(claims.expires_at)}};
}

absl::StatusOr<KeySet> LoadKeys(const std::string& path) {
  const absl::StatusOr<std::string> json = ReadFile(path, kMaxJwksSize);
  if (!json.ok()) return json.status();
  absl::StatusOr<KeySet> keys = KeySet::Parse(*json);
  if (!keys.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ": ", keys.status().message()));
  return keys;
}

absl::StatusOr<TokenVerifier> MakeVerifier(const VerifyOptions& options) {
  if (options.issuer == "") return absl::InvalidArgumentError("--issuer is empty");
  if (options.audience == "") return absl::InvalidArgumentError("--audience is empty");
  if (options.now.has_value() && (*options.now < 0 || *options.now > kMaxUnixSeconds)) {
    return absl::InvalidArgumentError("--now is not a time in seconds since 1970");
  }
  TokenVerifier::Options wanted;
  wanted.any_issuer = !options.issuer.has_value();
  wanted.any_audience = !options.audience.has_value();
  if (options.issuer.has_value()) wanted.issuer = *options.issuer;
  if (options.audience.has_value()) wanted.audiences = {*options.audience};
  return TokenVerifier::Create(std::move(wanted));
}

// Judges lines one by one.
class Judge {
 public:
  Judge(const VerifyOptions& options, KeySet keys, TokenVerifier verifier, const Clock& clock)
      : options_(options), keys_(std::move(keys)), verifier_(std::move(verifier)), clock_(clock) {}

  nlohmann::ordered_json Verdict(const std::string& line) const {
    if (!options_.base64) return VerdictOnToken(line);
    const absl::StatusOr<std::string> token = DecodeBase64(line);
    return token.ok() ? VerdictOnToken(*token) : Refusal(token.status());
  }

 private:
  nlohmann::ordered_json VerdictOnToken(absl::string_view token) const {
    if (options_.signature_only) {
      const absl::StatusOr<std::string> payload = VerifySignatureOnly(token, keys_);
      return payload.ok() ? nlohmann::ordered_json{{"accepted", true}} : Refusal(payload.status());
    }
    const absl::Time now = options_.now.has_value() ? absl::FromUnixSeconds(*options_.now) : clock_.Now();
    const absl::StatusOr<VerifiedCredential> credential = verifier_.Verify(token, keys_, now);
    return credential.ok() ? Acceptance(credential->claims()) : Refusal(credential.status());
  }

  const VerifyOptions& options_;
  const KeySet keys_;
  const TokenVerifier verifier_;
  const Clock& clock_;
};

int Failed(std::ostream& err, absl::string_view what) {
  err << "watchword verify: " << what << std::endl;
  return 1;
}

}  // namespace

int RunVerify(const VerifyOptions& options, std::istream& in, std::ostream& out, std::ostream& err,
              const Clock& clock) {
  absl::StatusOr<TokenVerifier> verifier = MakeVerifier(options);
  if (!verifier.ok()) return Failed(err, verifier.status().message());
  absl::StatusOr<KeySet> keys = LoadKeys(options.jwks_file);
  if (!keys.ok()) return Failed(err, keys.status().message());

  const Judge judge(options, *std::move(keys), *std::move(verifier), clock);
  std::string line;
  while (ReadLine(in, line)) {
    out << judge.Verdict(line).dump() << '\n' << std::flush;
    if (!out) return Failed(err, "cannot write the verdicts");
  }
  return 0;
}

}  // namespace watchword
