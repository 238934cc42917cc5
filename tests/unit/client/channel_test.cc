#include "watchword/client/channel.h"

#include <filesystem>

#include <grpcpp/security/server_credentials.h>

#include "fake_server.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"
#include "testing/test_certificates.h"
#include "watchword/client/call.h"
#include "watchword/client/session_client.h"

namespace watchword {
namespace {

using testing::HasSubstr;

std::shared_ptr<grpc::ServerCredentials> TlsServer(const TestCertificates& files, bool ask_for_client) {
  grpc::SslServerCredentialsOptions options(ask_for_client ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                                           : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  options.pem_key_cert_pairs.push_back(
      {ReadTestFile(files.server_key_file()), ReadTestFile(files.server_certificate_file())});
  options.pem_root_certs = ReadTestFile(files.ca_file());
  return grpc::SslServerCredentials(options);
}

absl::Status Probe(const ChannelOptions& options) {
  const auto channel = MakeChannel(options);
  if (!channel.ok()) return channel.status();
  return SessionClient(*channel, absl::Seconds(5)).Refresh("r").status();
}

TEST(CanonicalAddressTest, AddressesThatMeanTheSameAreSpelledTheSame) {
  EXPECT_EQ(*CanonicalAddress("Auth.Example:07070"), "auth.example:7070");
  EXPECT_EQ(*CanonicalAddress("[::1]:1"), "[::1]:1");
  EXPECT_EQ(*CanonicalAddress("unix:/run//ww/../ww.sock"), "unix:/run/ww.sock");
  EXPECT_EQ(*CanonicalAddress("unix:ww.sock"), "unix:" + (std::filesystem::current_path() / "ww.sock").string());
  EXPECT_EQ(*CanonicalAddress("h:65535"), "h:65535");
}

TEST(CanonicalAddressTest, WhatIsNoAddressIsRefusedByName) {
  for (const char* bad :
       {"", "host", ":1", "host:", "host:0", "host:65536", "host:-1", "host:+1", "host: 1", "host:1x",
        "unix:", "::1:70", "[::1]", "[nonsense]:1", "http://host:1", "a b:1", "host/x:1", "dns:///h:1"}) {
    const auto address = CanonicalAddress(bad);
    EXPECT_THAT(address, HasCode(absl::StatusCode::kInvalidArgument)) << bad;
    EXPECT_THAT(address.status().message(), HasSubstr(bad));
  }
}

TEST(UsesTlsTest, OnlyThisHostIsReachedInPlaintextUnasked) {
  for (const char* local : {"127.0.0.1:1", "127.255.0.9:1", "localhost:1", "LOCALHOST:1", "[::1]:1", "unix:/x"}) {
    EXPECT_FALSE(*UsesTls({.address = local})) << local;
  }
  for (const char* remote : {"128.0.0.1:1", "126.255.255.255:1", "127.0.0.1.example:1", "127.1:1",
                             "localhost.example:1", "10.0.0.1:1", "[::2]:1", "[::]:1", "0.0.0.0:1", "auth:1"}) {
    EXPECT_TRUE(*UsesTls({.address = remote})) << remote;
    EXPECT_FALSE(*UsesTls({.address = remote, .allow_plaintext = true})) << remote;
  }
}

TEST(UsesTlsTest, EachTlsOptionAsksForTls) {
  const std::string address = "127.0.0.1:1";
  EXPECT_TRUE(*UsesTls({.address = address, .tls = true}));
  EXPECT_TRUE(*UsesTls({.address = address, .ca_file = "x"}));
  EXPECT_TRUE(*UsesTls({.address = address, .certificate_file = "x"}));
  EXPECT_TRUE(*UsesTls({.address = address, .key_file = "x"}));
  EXPECT_TRUE(*UsesTls({.address = address, .server_name = "x"}));
}

TEST(UsesTlsTest, TlsAndPlaintextTogetherAreAContradiction) {
  EXPECT_THAT(UsesTls({.address = "h:1", .tls = true, .allow_plaintext = true}),
              HasCode(absl::StatusCode::kInvalidArgument));
}

TEST(MakeChannelTest, CertificateWithoutKeyIsRefusedByName) {
  EXPECT_THAT(MakeChannel({.address = "h:1", .certificate_file = "cert.pem"}).status().message(),
              HasSubstr("cert.pem"));
  EXPECT_THAT(MakeChannel({.address = "h:1", .key_file = "key.pem"}).status().message(), HasSubstr("key.pem"));
}

TEST(MakeChannelTest, FilesThatAreMissingOrNotPemAreRefusedByName) {
  EXPECT_THAT(MakeChannel({.address = "h:1", .ca_file = "/nonexistent/ca"}).status().message(),
              HasSubstr("/nonexistent/ca"));
  EXPECT_THAT(MakeChannel({.address = "h:1", .ca_file = "/dev/null"}), HasCode(absl::StatusCode::kInvalidArgument));
}

TEST(MakeChannelTest, TlsServerIsTrustedByItsAuthorityAndName) {
  const TestCertificates files;
  FakeServer server("127.0.0.1:0", TlsServer(files, false));
  const TestCertificates others;
  const std::string& address = server.address();
  EXPECT_THAT(Probe({.address = address, .ca_file = files.ca_file()}), HasCode(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(Probe({.address = address, .ca_file = files.ca_file(), .server_name = "localhost"}),
              HasCode(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(Probe({.address = address, .ca_file = files.ca_file(), .server_name = "other.example"}),
              HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Probe({.address = address, .ca_file = others.ca_file()}), HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Probe({.address = address, .tls = true}), HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Probe({.address = address}), HasCode(absl::StatusCode::kUnavailable));
  EXPECT_EQ(server.CountOf("Refresh"), 2);
}

TEST(MakeChannelTest, OwnCertificateIsShownToAServerThatAsks) {
  const TestCertificates files;
  FakeServer server("127.0.0.1:0", TlsServer(files, true));
  ChannelOptions options{.address = server.address(), .ca_file = files.ca_file()};
  EXPECT_THAT(Probe(options), HasCode(absl::StatusCode::kUnavailable));
  options.certificate_file = files.client_certificate_file();
  options.key_file = files.client_key_file();
  EXPECT_THAT(Probe(options), HasCode(absl::StatusCode::kUnimplemented));
}

TEST(MakeChannelTest, UnixSocketsAreReached) {
  const TemporaryFolder folder;
  FakeServer server("unix:" + folder.path() + "/ww.sock");
  EXPECT_THAT(Probe({.address = server.address()}), HasCode(absl::StatusCode::kUnimplemented));
}

TEST(MakeChannelTest, LoginsAndRefreshesAreNotTriedAgain) {
  FakeServer server;
  const auto unavailable = [](const auto&, auto&) { return grpc::Status(grpc::StatusCode::UNAVAILABLE, "draining"); };
  server.login = unavailable;
  server.refresh = unavailable;
  server.validate = unavailable;
  server.logout = unavailable;
  SessionClient client(*MakeChannel({.address = server.address()}), absl::Seconds(10));
  EXPECT_THAT(client.Login({}), HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(client.Refresh("r"), HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(client.Validate("c"), HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(client.Logout("c", {}), HasCode(absl::StatusCode::kUnavailable));
  EXPECT_EQ(server.CountOf("Login"), 1);
  EXPECT_EQ(server.CountOf("Refresh"), 1);
  EXPECT_EQ(server.CountOf("Validate"), 4);
  EXPECT_EQ(server.CountOf("Logout"), 4);
}

TEST(MakeChannelTest, RefusalsAreNotTriedAgain) {
  FakeServer server;
  server.validate = [](const auto&, auto&) { return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "no"); };
  SessionClient client(*MakeChannel({.address = server.address()}), absl::Seconds(10));
  EXPECT_THAT(client.Validate("c"), HasCode(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(server.CountOf("Validate"), 1);
}

}  // namespace
}  // namespace watchword
