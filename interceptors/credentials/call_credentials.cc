#include "watchword/credentials/call_credentials.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace watchword {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

bool IsB64TokenCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         absl::string_view("-._~+/=").find(c) != absl::string_view::npos;
}

class TokenPlugin final : public grpc::MetadataCredentialsPlugin {
 public:
  explicit TokenPlugin(std::shared_ptr<TokenSource> source) : source_(std::move(source)) {}

  bool IsBlocking() const override { return true; }  // gRPC then calls it on a thread of its own
  const char* GetType() const override { return "watchword"; }
  grpc::string DebugString() override { return "watchword token source"; }

  grpc::Status GetMetadata(grpc::string_ref, grpc::string_ref, const grpc::AuthContext&,
                           std::multimap<grpc::string, grpc::string>* metadata) override {
    const auto token = source_->GetToken(kPatience);
    if (!token.ok()) return {grpc::StatusCode::UNAVAILABLE, std::string(token.status().message())};
    if (auto status = CheckBearer(*token); !status.ok()) {
      return {grpc::StatusCode::INVALID_ARGUMENT, std::string(status.message())};
    }
    metadata->emplace("authorization", absl::StrCat("Bearer ", *token));
    return grpc::Status::OK;
  }

 private:
  const std::shared_ptr<TokenSource> source_;
};

}  // namespace

std::shared_ptr<grpc::CallCredentials> TokenCallCredentials(std::shared_ptr<TokenSource> source) {
  return grpc::MetadataCredentialsFromPlugin(std::make_unique<TokenPlugin>(std::move(source)));
}

std::shared_ptr<grpc::CallCredentials> TokenCallCredentials(std::shared_ptr<TokenSource> source, AllowPlaintextTokens) {
  return grpc::experimental::MetadataCredentialsFromPlugin(std::make_unique<TokenPlugin>(std::move(source)),
                                                           GRPC_SECURITY_MIN);
}

std::shared_ptr<grpc::CallCredentials> TokenCallCredentials(std::shared_ptr<TokenSource> source, bool allow_plaintext) {
  if (source == nullptr) return nullptr;
  return allow_plaintext ? TokenCallCredentials(std::move(source), AllowPlaintextTokens())
                         : TokenCallCredentials(std::move(source));
}

absl::Status CheckBearer(absl::string_view credential) {
  for (const char c : credential) {
    if (!IsB64TokenCharacter(c)) return absl::InvalidArgumentError("the credential has a character that none can have");
  }
  return absl::OkStatus();
}

}  // namespace watchword
