// What protects the port itself, and bytes that no gRPC client would send.
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gate_fixture.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "raw_http2.h"
#include "testing/status_matchers.h"
#include "testing/test_certificates.h"
#include "watchword/token/verifier.h"

namespace watchword {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kAnyPort = "127.0.0.1:0";

class GateTransportTest : public GateFixture {
 protected:
  void Start(PortSecurity security) { server_.emplace(Style::kCallback, *gate_, kAnyPort, std::move(security)); }
  void StartTls(bool with_client_ca) {
    Start(PortSecurity::Tls(certificates_.server_certificate_file(), certificates_.server_key_file(),
                            with_client_ca ? certificates_.ca_file() : ""));
  }
  CallResult Call(const std::shared_ptr<grpc::ChannelCredentials>& credentials, const Metadata& metadata) {
    const auto channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->port()), credentials);
    return RawCall(channel, absl::StrCat(kProbePath, "Unary"), metadata);
  }
  CallResult GoodCall(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    return Call(credentials, Bearer(Token(ProbeClaims())));
  }
  void ExpectNotConnected(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    const grpc::Status status = GoodCall(credentials).status;
    EXPECT_EQ(status.error_code(), grpc::UNAVAILABLE) << status.error_message();
    EXPECT_EQ(server_->handler_runs(), 0);
  }

  // Credentials of a client that trusts `trusted`'s authority and shows `shown`'s client certificate, if any.
  static std::shared_ptr<grpc::ChannelCredentials> TlsClient(const TestCertificates& trusted,
                                                             const TestCertificates* shown = nullptr) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = ReadTestFile(trusted.ca_file());
    if (shown != nullptr) {
      options.pem_private_key = ReadTestFile(shown->client_key_file());
      options.pem_cert_chain = ReadTestFile(shown->client_certificate_file());
    }
    return grpc::SslCredentials(options);
  }

  const TestCertificates certificates_;
  std::optional<ProbeServer> server_;
};

TEST_F(GateTransportTest, WithoutKeysCallsAreRefusedAsAnOutageUntilTheFirstKeysCome) {
  TrustState trust(clock_);
  gate_ = Gate::CreateOn(
              trust, {.issuer = std::string(kTestIssuer), .audiences = {std::string(kTestAudience)}, .clock = &clock_})
              .value();
  Start(PortSecurity::Plaintext());
  const grpc::Status refused = GoodCall(grpc::InsecureChannelCredentials()).status;
  EXPECT_EQ(refused.error_code(), grpc::UNAVAILABLE);
  EXPECT_THAT(refused.error_message(), StartsWith(std::string(kTrustUnavailable)));
  EXPECT_EQ(server_->handler_runs(), 0);
  trust.SetKeys(signer_.keys());
  EXPECT_TRUE(GoodCall(grpc::InsecureChannelCredentials()).status.ok());
  server_.reset();
}

TEST_F(GateTransportTest, PlaintextToATlsPortAndTlsToAPlaintextPortAreRefused) {
  StartTls(/*with_client_ca=*/false);
  ExpectNotConnected(grpc::InsecureChannelCredentials());
  Start(PortSecurity::Plaintext());
  ExpectNotConnected(TlsClient(certificates_));
}

TEST_F(GateTransportTest, ServerOfAnotherAuthorityIsNotTrusted) {
  StartTls(/*with_client_ca=*/false);
  const TestCertificates others;
  ExpectNotConnected(TlsClient(others));
}

TEST_F(GateTransportTest, ClientCertificateIsDemandedAndVerifiedWhereAClientCaIsSet) {
  StartTls(/*with_client_ca=*/true);
  const TestCertificates others;
  ExpectNotConnected(TlsClient(certificates_));
  ExpectNotConnected(TlsClient(certificates_, &others));
  const grpc::Status status = GoodCall(TlsClient(certificates_, &certificates_)).status;
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(GateTransportTest, BoundTokenIsAcceptedOnlyWithItsClientCertificate) {
  StartTls(/*with_client_ca=*/true);
  const auto client = TlsClient(certificates_, &certificates_);
  std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_file(certificates_.client_certificate_file().c_str(), "r"),
                                                BIO_free);
  std::unique_ptr<X509, decltype(&X509_free)> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr),
                                                          X509_free);
  unsigned char digest[32];
  ASSERT_EQ(X509_digest(certificate.get(), EVP_sha256(), digest, nullptr), 1);
  Claims claims = ProbeClaims();
  claims.certificate_sha256 = std::string(reinterpret_cast<char*>(digest), sizeof digest);
  const CallResult good = Call(client, Bearer(Token(claims)));
  EXPECT_TRUE(good.status.ok()) << good.status.error_message();
  EXPECT_EQ(good.caller, claims.subject);
  claims.certificate_sha256.back() ^= 1;
  const grpc::Status refused = Call(client, Bearer(Token(claims))).status;
  EXPECT_EQ(refused.error_code(), grpc::UNAUTHENTICATED);
  EXPECT_THAT(refused.error_message(), StartsWith(std::string(kTokenInvalid)));
  EXPECT_EQ(server_->handler_runs(), 1);
}

// Whether a client that speaks at most `version` gets through the handshake.
bool HandshakeSucceeds(int port, int version) {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context.get(), version);
  SSL_CTX_set_cipher_list(context.get(), "ALL:@SECLEVEL=0");  // or the client itself would not speak old versions
  std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new_ssl_connect(context.get()), BIO_free_all);
  SSL* ssl = nullptr;
  BIO_get_ssl(bio.get(), &ssl);
  const unsigned char protocols[] = "\x02h2";
  SSL_set_alpn_protos(ssl, protocols, 3);
  BIO_set_conn_hostname(bio.get(), absl::StrCat("127.0.0.1:", port).c_str());
  return BIO_do_handshake(bio.get()) == 1;
}

TEST_F(GateTransportTest, TlsOlderThanOneTwoIsRefused) {
  StartTls(/*with_client_ca=*/false);
  EXPECT_TRUE(HandshakeSucceeds(server_->port(), TLS1_3_VERSION));
  EXPECT_TRUE(HandshakeSucceeds(server_->port(), TLS1_2_VERSION));
  EXPECT_FALSE(HandshakeSucceeds(server_->port(), TLS1_1_VERSION));
  EXPECT_FALSE(HandshakeSucceeds(server_->port(), TLS1_VERSION));
}

TEST_F(GateTransportTest, PortThatCannotBeProtectedIsNotOpened) {
  Start(PortSecurity::Tls(certificates_.server_certificate_file(), "/nonexistent.key"));
  EXPECT_FALSE(server_->started());
  Start(PortSecurity::Tls("", ""));
  EXPECT_FALSE(server_->started());
  Start(PortSecurity::Tls(certificates_.server_certificate_file(), certificates_.server_key_file(), "/nonexistent"));
  EXPECT_FALSE(server_->started());
  Start(PortSecurity::UnixSocket());  // on a TCP address
  EXPECT_FALSE(server_->started());
}

TEST_F(GateTransportTest, HealthAndReflectionAreOpen) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  Start(PortSecurity::Plaintext());
  grpc::EnableDefaultHealthCheckService(false);
  const auto channel =
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->port()), grpc::InsecureChannelCredentials());
  for (const char* path :
       {"/grpc.health.v1.Health/Check", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    const grpc::Status status = RawCall(channel, path, {}).status;
    EXPECT_TRUE(status.ok()) << path << ": " << status.error_message();
  }
}

TEST_F(GateTransportTest, BytesThatNoClientMaySendAreRefused) {
  using namespace std::string_literals;
  Start(PortSecurity::Plaintext());
  const std::string good = "Bearer " + Token(ProbeClaims());
  const std::string path = absl::StrCat(kProbePath, "Unary");
  ASSERT_TRUE(HasGrpcStatus(RawHttp2Call(server_->port(), path, {{"authorization", good}}), grpc::OK));
  ASSERT_EQ(server_->handler_runs(), 1);
  for (const std::string& value : {good + "\r\n", good + "\r\nx-other: y", good + "\0"s, good + "\xff", "\0"s, "\xff"s,
                                   "Bearer \r\n"s, "Bearer " + std::string(kMaxCredentialSize + 1, 'x')}) {
    const std::string response = RawHttp2Call(server_->port(), path, {{"authorization", value}});
    EXPECT_TRUE(HasGrpcStatus(response, grpc::UNAUTHENTICATED)) << testing::PrintToString(response);
    EXPECT_THAT(response, HasSubstr(std::string(kTokenInvalid)));
    EXPECT_THAT(response, testing::Not(HasSubstr("x-other")));
  }
  EXPECT_EQ(server_->handler_runs(), 1);
}

TEST_F(GateTransportTest, CredentialOfMegabytesBeforeTheSettingsAreAgreedIsRefused) {
  Start(PortSecurity::Plaintext());
  const std::string path = absl::StrCat(kProbePath, "Unary");
  for (const size_t size : {size_t{64} << 10, size_t{4} << 20}) {
    const std::string response =
        RawHttp2Call(server_->port(), path, {{"authorization", "Bearer " + std::string(size, 'x')}});
    EXPECT_FALSE(HasGrpcStatus(response, grpc::OK)) << size;
  }
  EXPECT_EQ(server_->handler_runs(), 0);
  const std::string good = "Bearer " + Token(ProbeClaims());
  EXPECT_TRUE(HasGrpcStatus(RawHttp2Call(server_->port(), path, {{"authorization", good}}), grpc::OK));
}

TEST_F(GateTransportTest, MoreThanOneOrAnotherKindOfAuthorizationFieldIsRefusedOnTheWire) {
  Start(PortSecurity::Plaintext());
  const std::string good = "Bearer " + Token(ProbeClaims());
  const std::string other = "Bearer " + Token(ProbeClaims());
  const std::string path = absl::StrCat(kProbePath, "Unary");
  const auto call = [&](const std::vector<std::pair<std::string, std::string>>& fields) {
    return RawHttp2Call(server_->port(), path, fields);
  };
  const std::string a = "authorization";
  for (const auto& fields :
       std::vector<std::vector<std::pair<std::string, std::string>>>{{{a, good}, {a, good}},
                                                                     {{a, good}, {a, other}},
                                                                     {{a, good}, {a, ""}},
                                                                     {{a, ""}, {a, good}},
                                                                     {{a, good}, {"x", "y"}, {a, "Basic x"}},
                                                                     {{a, good + "," + good}},
                                                                     {{a, good + ", " + other}}}) {
    const std::string response = call(fields);
    EXPECT_TRUE(HasGrpcStatus(response, grpc::UNAUTHENTICATED)) << testing::PrintToString(response);
    EXPECT_THAT(response, HasSubstr(std::string(kTokenInvalid)));
  }
  for (const std::string name : {"authorization-bin", "proxy-authorization", "authorization ", "x-authorization"}) {
    EXPECT_FALSE(HasGrpcStatus(call({{name, good}}), grpc::OK)) << name;
  }
  EXPECT_EQ(server_->handler_runs(), 0);
  EXPECT_TRUE(HasGrpcStatus(call({{"authorization-bin", "eHg"}, {a, good}}), grpc::OK));
}

// What is judged and what is served is one method, however often a client names one.
TEST_F(GateTransportTest, SecondPathDoesNotGetAroundTheRuleOfTheFirst) {
  Start(PortSecurity::Plaintext());
  const std::string open = absl::StrCat(kProbePath, "Open"), guarded = absl::StrCat(kProbePath, "Unary");
  ASSERT_TRUE(HasGrpcStatus(RawHttp2Call(server_->port(), open, {}), grpc::OK));
  for (const auto& [first, second] : {std::pair(open, guarded), std::pair(guarded, open)}) {
    RawHttp2Call(server_->port(), first, {{":path", second}});
  }
  EXPECT_EQ(server_->handler_runs(), server_->open_runs());
  for (const std::string& path : {guarded + "?x=" + open, open + "/../Unary", guarded + "/", guarded + "%00",
                                  "/" + guarded, std::string("*"), std::string(), guarded + std::string(1, '\0')}) {
    EXPECT_FALSE(HasGrpcStatus(RawHttp2Call(server_->port(), path, {}), grpc::OK)) << path;
  }
  EXPECT_EQ(server_->handler_runs(), server_->open_runs());
}

TEST_F(GateTransportTest, CredentialOfExactlyTheLimitIsReadAndOneMoreByteIsNot) {
  Start(PortSecurity::Plaintext());
  const std::string path = absl::StrCat(kProbePath, "Unary");
  for (const size_t size : {kMaxCredentialSize, kMaxCredentialSize + 1}) {
    const uint64_t looked_at = gate_->metrics().cache_misses;
    const std::string response =
        RawHttp2Call(server_->port(), path, {{"authorization", "Bearer " + std::string(size, 'x')}});
    EXPECT_TRUE(HasGrpcStatus(response, grpc::UNAUTHENTICATED)) << size;
    EXPECT_EQ(gate_->metrics().cache_misses - looked_at, size == kMaxCredentialSize ? 1u : 0u) << size;
  }
}

TEST_F(GateTransportTest, FieldNameInUpperCaseIsNotAnAuthorizationEntry) {
  Start(PortSecurity::Plaintext());
  const std::string good = "Bearer " + Token(ProbeClaims());
  const std::string response =
      RawHttp2Call(server_->port(), absl::StrCat(kProbePath, "Unary"), {{"Authorization", good}});
  EXPECT_FALSE(HasGrpcStatus(response, grpc::OK));
  EXPECT_EQ(server_->handler_runs(), 0);
}

}  // namespace
}  // namespace watchword
