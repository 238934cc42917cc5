#pragma once

#include <memory>

#include <grpcpp/security/credentials.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "watchword/credentials/token_source.h"

namespace watchword {

// Said by those who know that something else protects the way: loopback, a mesh.
struct AllowPlaintextTokens {};

// Sends the source's credential with each call that they are set on (grpc::ClientContext::set_credentials, or
// grpc::CompositeChannelCredentials), over TLS only: gRPC fails calls on other channels, before anything is sent.
std::shared_ptr<grpc::CallCredentials> TokenCallCredentials(std::shared_ptr<TokenSource> source);

// The same for channels without TLS.
std::shared_ptr<grpc::CallCredentials> TokenCallCredentials(std::shared_ptr<TokenSource> source, AllowPlaintextTokens);

// The one or the other; null if `source` is.
std::shared_ptr<grpc::CallCredentials> TokenCallCredentials(std::shared_ptr<TokenSource> source, bool allow_plaintext);

// INVALID_ARGUMENT if the credential has characters that no credential has (RFC 6750 section 2.1), on which gRPC would
// abort the process.
absl::Status CheckBearer(absl::string_view credential);

}  // namespace watchword
