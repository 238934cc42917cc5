// The only file that uses gRPC's C API. C++ server interceptors cannot refuse a call (its handler still runs), and the
// C++ AuthMetadataProcessor aborts on insecure credentials; the processor of the C API does both, for every kind of
// service. The function that creates insecure credentials is public and marked experimental.
#include "watchword/gate/guarded_credentials.h"

#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "grpc/grpc.h"
#include "grpc/grpc_security.h"
#include "grpcpp/security/server_credentials.h"
#include "watchword/base/secret.h"
#include "watchword/gate/acceptor.h"
#include "watchword/gate/admission.h"
#include "watchword/gate/certificate_source.h"
#include "watchword/gate/server_setup.h"

namespace watchword {
namespace {

// What goes with the C credentials of a port, as long as they live.
struct PortState {
  std::shared_ptr<Admission> admission;
  std::shared_ptr<CertificateSource> certificates;  // null without TLS
  std::shared_ptr<const TlsMaterial> in_use;        // what gRPC was given last; it asks one call at a time
};

// Borrows from `slice`: a short slice holds its bytes itself, hence the reference.
absl::string_view View(const grpc_slice& slice) {
  return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
}

std::string PeerCertificateOf(const grpc_auth_context* context) {
  grpc_auth_property_iterator it = grpc_auth_context_find_properties_by_name(context, GRPC_X509_PEM_CERT_PROPERTY_NAME);
  const grpc_auth_property* property = grpc_auth_property_iterator_next(&it);
  return property == nullptr ? "" : std::string(property->value, property->value_length);
}

// As ConnectionOf in peer_certificate.h.
const void* ConnectionOf(const grpc_auth_context* context) {
  grpc_auth_property_iterator it =
      grpc_auth_context_find_properties_by_name(context, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
  const grpc_auth_property* property = grpc_auth_property_iterator_next(&it);
  return property == nullptr ? nullptr : property->value;
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
  Admission& admission = *static_cast<PortState*>(state)->admission;
  const auto finish = [done, user_data](const absl::Status& status) {
    const std::string message(status.message());
    done(user_data, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.code()),
         status.ok() ? nullptr : message.c_str());
  };
  const auto decided = admission.Admit(
      path, authorization, [context] { return PeerCertificateOf(context); }, ConnectionOf(context));
  if (decided.has_value()) return finish(*decided);
  // `context` may be gone when the answer comes.
  admission.AdmitLater(std::string(path), std::string(**authorization.Bearer()), PeerCertificateOf(context), finish);
}

void DestroyState(void* state) { delete static_cast<PortState*>(state); }

// Called by gRPC for each handshake: what it is to use from now on.
grpc_ssl_certificate_config_reload_status FetchCertificates(void* user_data,
                                                            grpc_ssl_server_certificate_config** config) {
  PortState& state = *static_cast<PortState*>(user_data);
  std::shared_ptr<const TlsMaterial> material = state.certificates->Current();
  if (material == state.in_use) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  std::string key(material->private_key.Reveal());
  const grpc_ssl_pem_key_cert_pair pair{key.c_str(), material->certificate_chain.c_str()};
  // gRPC 1.51 aborts without roots, also where it asks for no certificate and so has no use for any.
  const std::string& roots = material->client_ca.empty() ? material->certificate_chain : material->client_ca;
  *config = grpc_ssl_server_certificate_config_create(roots.c_str(), &pair, 1);  // copies
  Secret::Wipe(key);
  state.in_use = std::move(material);
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

// TLS 1.2 is gRPC's own minimum, and its cipher suites all have forward secrecy and authenticated encryption.
grpc_server_credentials* MakeTls(const PortSecurity& security, PortState& state) {
  return grpc_ssl_server_credentials_create_with_options(
      grpc_ssl_server_credentials_create_options_using_config_fetcher(
          security.client_ca_file.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                          : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY,
          FetchCertificates, &state));  // takes the options
}

class GuardedCredentials final : public grpc::ServerCredentials {
 public:
  GuardedCredentials(std::shared_ptr<ServerSetup> setup, PortSecurity security,
                     std::shared_ptr<CertificateSource> certificates)
      : admission_(setup->admission), security_(std::move(security)), certificates_(std::move(certificates)) {}

  // A second processor would replace the gate.
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override { std::abort(); }

 private:
  // `name` is what gRPC calls the acceptor.
  int AddPortToServer(const std::string& name, grpc_server* server) override {
    auto state = std::make_unique<PortState>(PortState{admission_, certificates_, nullptr});
    grpc_server_credentials* credentials = MakeCredentials(*state);
    grpc_server_credentials_set_auth_metadata_processor(credentials, {ProcessCall, DestroyState, state.release()});
    const int port = grpc_server_add_http2_port(server, name.c_str(), credentials);
    grpc_server_credentials_release(credentials);
    return port;
  }

  grpc_server_credentials* MakeCredentials(PortState& state) const {
    switch (security_.kind) {
      case PortSecurity::Kind::kPlaintext:
        break;
      case PortSecurity::Kind::kTls:
        return MakeTls(security_, state);
      case PortSecurity::Kind::kUnixSocket:
        return grpc_local_server_credentials_create(UDS);
    }
    return grpc_insecure_server_credentials_create();
  }

  const std::shared_ptr<Admission> admission_;
  const PortSecurity security_;
  const std::shared_ptr<CertificateSource> certificates_;
};

class ListeningCredentials final : public grpc::ServerCredentials {
 public:
  ListeningCredentials(std::shared_ptr<ServerSetup> setup, PortSecurity security,
                       std::shared_ptr<CertificateSource> certificates, std::weak_ptr<Acceptor> acceptor)
      : setup_(std::move(setup)),
        security_(std::move(security)),
        certificates_(std::move(certificates)),
        acceptor_(std::move(acceptor)) {}

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override { std::abort(); }

 private:
  int AddPortToServer(const std::string& address, grpc_server*) override {
    const std::shared_ptr<Acceptor> acceptor = acceptor_.lock();
    if (!setup_->complete || acceptor == nullptr) return 0;  // why not is in the log
    Logger& log = setup_->admission->log();
    if (certificates_ != nullptr) {
      if (const auto status = certificates_->Load(); !status.ok()) {
        log.Error("the TLS files cannot be used", {{"error", std::string(status.message())}});
        return 0;
      }
    }
    if (security_.kind == PortSecurity::Kind::kUnixSocket && !absl::StartsWith(address, "unix:")) {
      log.Error("not the address of a Unix socket", {{"address", address}});
      return 0;
    }
    const absl::StatusOr<int> port = acceptor->Open(address);
    if (port.ok()) return *port;
    log.Error("cannot listen", {{"address", address}, {"error", std::string(port.status().message())}});
    return 0;
  }

  const std::shared_ptr<ServerSetup> setup_;
  const PortSecurity security_;
  const std::shared_ptr<CertificateSource> certificates_;
  const std::weak_ptr<Acceptor> acceptor_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeGuardedCredentials(std::shared_ptr<ServerSetup> setup,
                                                                PortSecurity security,
                                                                std::shared_ptr<CertificateSource> certificates) {
  return std::make_shared<GuardedCredentials>(std::move(setup), std::move(security), std::move(certificates));
}

std::shared_ptr<grpc::ServerCredentials> MakeListeningCredentials(std::shared_ptr<ServerSetup> setup,
                                                                  PortSecurity security,
                                                                  std::shared_ptr<CertificateSource> certificates,
                                                                  std::weak_ptr<Acceptor> acceptor) {
  return std::make_shared<ListeningCredentials>(std::move(setup), std::move(security), std::move(certificates),
                                                std::move(acceptor));
}

}  // namespace watchword
