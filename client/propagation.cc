#include "watchword/client/propagation.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "watchword/base/reason.h"
#include "watchword/gate/bearer.h"

namespace watchword {
namespace {

// A credential that somebody else keeps, as it is.
class GivenToken final : public TokenSource {
 public:
  explicit GivenToken(std::string credential) : credential_(std::move(credential)) {}
  absl::StatusOr<std::string> GetToken(absl::Duration) override { return credential_; }
  void Reject(absl::string_view) override {}

 private:
  const std::string credential_;
};

absl::StatusOr<std::shared_ptr<TokenSource>> TokenFor(const grpc::ServerContextBase& context, const Gate& gate,
                                                      absl::string_view audience) {
  const auto caller = Caller::From(context, gate);
  if (!caller.ok()) return caller.status();
  const auto& audiences = caller->audiences();
  if (std::find(audiences.begin(), audiences.end(), audience) == audiences.end()) {
    return ErrorWithReason(absl::StatusCode::kPermissionDenied, "AUDIENCE_NOT_PERMITTED",
                           absl::StrCat("the caller's credential is not for ", audience));
  }
  const auto bearer = BearerOf(context);
  if (!bearer.ok()) return bearer.status();
  return std::make_shared<GivenToken>(std::string(**bearer));  // a caller has one
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::CallCredentials>> PropagateCaller(const grpc::ServerContextBase& context,
                                                                       const Gate& gate, absl::string_view audience) {
  auto token = TokenFor(context, gate, audience);
  if (!token.ok()) return token.status();
  return TokenCallCredentials(*std::move(token));
}

absl::StatusOr<std::shared_ptr<grpc::CallCredentials>> PropagateCaller(const grpc::ServerContextBase& context,
                                                                       const Gate& gate, absl::string_view audience,
                                                                       AllowPlaintextTokens allowed) {
  auto token = TokenFor(context, gate, audience);
  if (!token.ok()) return token.status();
  return TokenCallCredentials(*std::move(token), allowed);
}

}  // namespace watchword
