#include "watchword/gate/bearer.h"

#include <algorithm>
#include <array>

#include "absl/strings/match.h"
#include "grpcpp/server_context.h"
#include "watchword/base/reason.h"
#include "watchword/token/reasons.h"
#include "watchword/token/verifier.h"

namespace watchword {
namespace {

constexpr absl::string_view kScheme = "Bearer ";

// A table, since each call's credential has some hundred characters.
constexpr std::array<bool, 256> kTokenCharacters = [] {
  std::array<bool, 256> table{};
  for (unsigned char c : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") table[c] = c != 0;
  return table;
}();

bool IsTokenCharacter(char c) { return kTokenCharacters[static_cast<unsigned char>(c)]; }

// RFC 6750 section 2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
bool IsToken68(absl::string_view text) {
  const auto padding = std::find_if_not(text.begin(), text.end(), IsTokenCharacter);
  return padding != text.begin() && std::all_of(padding, text.end(), [](char c) { return c == '='; });
}

absl::Status Invalid(absl::string_view detail) {
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, kTokenInvalid, detail);
}

}  // namespace

absl::StatusOr<absl::string_view> ParseBearer(absl::string_view value) {
  if (!absl::StartsWithIgnoreCase(value, kScheme)) return Invalid("authorization is not of the Bearer scheme");
  const absl::string_view credential = value.substr(kScheme.size());
  if (credential.size() > kMaxCredentialSize) return Invalid("the credential is too long");
  if (!IsToken68(credential)) return Invalid("the credential has characters that none may have");
  return credential;
}

absl::StatusOr<std::optional<absl::string_view>> AuthorizationEntries::Bearer() const {
  if (count_ == 0) return std::nullopt;
  if (count_ > 1) return Invalid("more than one authorization entry");
  auto credential = ParseBearer(value_);
  if (!credential.ok()) return credential.status();
  return *credential;
}

AuthorizationEntries AuthorizationOf(const grpc::ServerContextBase& context) {
  AuthorizationEntries entries;
  const auto [begin, end] = context.client_metadata().equal_range("authorization");
  for (auto it = begin; it != end; ++it) entries.Add({it->second.data(), it->second.size()});
  return entries;
}

absl::StatusOr<std::optional<absl::string_view>> BearerOf(const grpc::ServerContextBase& context) {
  return AuthorizationOf(context).Bearer();
}

}  // namespace watchword
