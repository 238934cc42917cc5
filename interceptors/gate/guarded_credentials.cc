// The only file that uses gRPC's C API. C++ server interceptors cannot refuse a call (its handler still runs), and the
// C++ AuthMetadataProcessor aborts on insecure credentials; the processor of the C API does both, for every kind of
// service. The functions that create insecure and TLS credentials are public and marked experimental.
#include "watchword/gate/guarded_credentials.h"

#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "grpc/grpc.h"
#include "grpc/grpc_security.h"
#include "grpcpp/security/server_credentials.h"
#include "watchword/base/file.h"
#include "watchword/gate/admission.h"
#include "watchword/gate/server_setup.h"

namespace watchword {
namespace {

constexpr unsigned kCertificateRefreshSeconds = 10;
constexpr size_t kMaxCertificateFileSize = 1 << 20;

// Borrows from `slice`: a short slice holds its bytes itself, hence the reference.
absl::string_view View(const grpc_slice& slice) {
  return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
}

std::string PeerCertificateOf(const grpc_auth_context* context) {
  grpc_auth_property_iterator it = grpc_auth_context_find_properties_by_name(context, GRPC_X509_PEM_CERT_PROPERTY_NAME);
  const grpc_auth_property* property = grpc_auth_property_iterator_next(&it);
  return property == nullptr ? "" : std::string(property->value, property->value_length);
}

// Called by gRPC for each call before its handler is looked up. The metadata lives until `done` is called, which
// happens exactly once, here or, if a session token has to be looked up, later on another thread. Writes nothing into
// `context`: it belongs to the connection, which calls of other callers share.
void ProcessCall(void* state, grpc_auth_context* context, const grpc_metadata* metadata, size_t count,
                 grpc_process_auth_metadata_done_cb done, void* user_data) {
  absl::string_view path;
  AuthorizationEntries authorization;
  for (size_t i = 0; i < count; ++i) {
    const absl::string_view key = View(metadata[i].key);
    if (key == ":path") {
      path = View(metadata[i].value);
    } else if (key == "authorization") {
      authorization.Add(View(metadata[i].value));
    }
  }
  Admission& admission = **static_cast<std::shared_ptr<Admission>*>(state);
  const auto finish = [done, user_data](const absl::Status& status) {
    const std::string message(status.message());
    done(user_data, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.code()),
         status.ok() ? nullptr : message.c_str());
  };
  const auto decided = admission.Admit(path, authorization, [context] { return PeerCertificateOf(context); });
  if (decided.has_value()) return finish(*decided);
  // A session token is not bound to a certificate, and `context` may be gone when the answer comes.
  admission.AdmitLater(std::string(path), std::string(**authorization.Bearer()), finish);
}

void DestroyState(void* state) { delete static_cast<std::shared_ptr<Admission>*>(state); }

bool IsReadable(const std::string& path, Logger& log) {
  const auto contents = ReadFile(path, kMaxCertificateFileSize);
  if (!contents.ok()) log.Error("a TLS file cannot be read", {{"error", std::string(contents.status().message())}});
  return contents.ok();
}

// gRPC itself would open the port and then fail every handshake.
bool AllReadable(const PortSecurity& security, Logger& log) {
  return IsReadable(security.certificate_file, log) && IsReadable(security.key_file, log) &&
         (security.client_ca_file.empty() || IsReadable(security.client_ca_file, log));
}

// TLS 1.2 is gRPC's own minimum.
grpc_server_credentials* MakeTls(const PortSecurity& security) {
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          security.key_file, security.certificate_file, security.client_ca_file, kCertificateRefreshSeconds));
  options.watch_identity_key_cert_pairs();
  if (!security.client_ca_file.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc_tls_server_credentials_create(options.c_credentials_options());  // takes the C options
}

class GuardedCredentials final : public grpc::ServerCredentials {
 public:
  GuardedCredentials(std::shared_ptr<ServerSetup> setup, PortSecurity security)
      : setup_(std::move(setup)), admission_(setup_->admission), security_(std::move(security)) {}

  // A second processor would replace the gate.
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override { std::abort(); }

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    if (!setup_->complete) return 0;  // why not is in the log
    grpc_server_credentials* credentials = MakeCredentials(address);
    if (credentials == nullptr) return 0;
    grpc_server_credentials_set_auth_metadata_processor(
        credentials, {ProcessCall, DestroyState, new std::shared_ptr<Admission>(admission_)});
    const int port = grpc_server_add_http2_port(server, address.c_str(), credentials);
    grpc_server_credentials_release(credentials);
    return port;
  }

  grpc_server_credentials* MakeCredentials(const std::string& address) const {
    switch (security_.kind) {
      case PortSecurity::Kind::kPlaintext:
        return grpc_insecure_server_credentials_create();
      case PortSecurity::Kind::kTls:
        return AllReadable(security_, admission_->log()) ? MakeTls(security_) : nullptr;
      case PortSecurity::Kind::kUnixSocket:
        if (absl::StartsWith(address, "unix:")) return grpc_local_server_credentials_create(UDS);
        admission_->log().Error("not the address of a Unix socket", {{"address", address}});
        return nullptr;
    }
    return nullptr;
  }

  const std::shared_ptr<ServerSetup> setup_;
  const std::shared_ptr<Admission> admission_;
  const PortSecurity security_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeGuardedCredentials(std::shared_ptr<ServerSetup> setup,
                                                                PortSecurity security) {
  return std::make_shared<GuardedCredentials>(std::move(setup), std::move(security));
}

}  // namespace watchword
