#include "server/ops/ops_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "httplib.h"
#include "testing/status_matchers.h"
#include "testing/without_ip_v6.h"

namespace watchword {
namespace {

using testing::HasSubstr;

class OpsServerTest : public testing::Test {
 protected:
  OpsServerTest() {
    auto server = OpsServer::Start(OptionsWithPort(0));
    EXPECT_THAT(server, IsOk());
    server_ = std::move(*server);
    client_ = std::make_unique<httplib::Client>("127.0.0.1", server_->port());
  }

  OpsServer::Options OptionsWithPort(int port) {
    return {.host = "127.0.0.1",
            .port = port,
            .issuer = issuer_,
            .metrics = [] { return std::string("watchword_up 1\n"); },
            .readiness = [this] { return ready_; },
            .jwks = [this] { return jwks_; }};
  }

  // Read on the server's threads: set before a request is made.
  absl::Status ready_;
  std::string jwks_ = R"({"keys":[]})";
  std::string issuer_ = "https://watchword.test";
  std::unique_ptr<OpsServer> server_;
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(OpsServerTest, ServesMetrics) {
  const auto answer = client_->Get("/metrics");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "watchword_up 1\n");
  EXPECT_EQ(answer->get_header_value("Content-Type"), "text/plain; version=0.0.4");
}

TEST_F(OpsServerTest, ServesTheKeysToBeCached) {
  const auto answer = client_->Get("/.well-known/jwks.json");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, R"({"keys":[]})");
  EXPECT_EQ(answer->get_header_value("Content-Type"), "application/jwk-set+json");
  EXPECT_EQ(answer->get_header_value("Cache-Control"), "max-age=60");
}

TEST_F(OpsServerTest, DiscoveryLeadsFromTheIssuerToTheKeys) {
  jwks_ = R"({"keys":[{"alg":"RS256"},{"alg":"ES256"},{"alg":"ES256"}]})";
  const auto answer = client_->Get("/.well-known/openid-configuration");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->get_header_value("Content-Type"), "application/json");
  EXPECT_EQ(answer->body,
            R"({"issuer":"https://watchword.test","jwks_uri":"https://watchword.test/.well-known/jwks.json",)"
            R"("response_types_supported":["id_token"],"subject_types_supported":["public"],)"
            R"("id_token_signing_alg_values_supported":["ES256","RS256"]})");
}

TEST_F(OpsServerTest, DiscoveryOfAnIssuerThatEndsWithASlashHasOneSlash) {
  issuer_ = "https://example.com/auth/";
  const auto server = OpsServer::Start(OptionsWithPort(0));
  ASSERT_THAT(server, IsOk());
  const auto answer = httplib::Client("127.0.0.1", (*server)->port()).Get("/.well-known/openid-configuration");
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->body, HasSubstr(R"("jwks_uri":"https://example.com/auth/.well-known/jwks.json")"));
  EXPECT_THAT(answer->body, HasSubstr(R"("issuer":"https://example.com/auth/")"));
}

TEST_F(OpsServerTest, AnyAddressIsOfBothKindsAndOfIpV4WhereThereIsNoIpV6) {
  OpsServer::Options options = OptionsWithPort(0);
  options.host = "::";
  const auto both = OpsServer::Start(options);
  ASSERT_THAT(both, IsOk());
  EXPECT_TRUE(httplib::Client("127.0.0.1", (*both)->port()).Get("/livez"));
  EXPECT_TRUE(httplib::Client("::1", (*both)->port()).Get("/livez"));
  absl::StatusOr<std::unique_ptr<OpsServer>> one;
  WithoutIpV6([&] { one = OpsServer::Start(options); });
  ASSERT_THAT(one, IsOk());
  EXPECT_TRUE(httplib::Client("127.0.0.1", (*one)->port()).Get("/livez"));
}

TEST_F(OpsServerTest, ReadyzSaysInOneLineWhyNot) {
  EXPECT_EQ(client_->Get("/readyz")->status, 200);
  EXPECT_EQ(client_->Get("/readyz")->body, "ok\n");
  ready_ = absl::UnavailableError("the store does not answer:\ndisk full");
  const auto answer = client_->Get("/readyz");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->body, "the store does not answer: disk full\n");
}

TEST_F(OpsServerTest, LivezDoesNotDependOnReadiness) {
  ready_ = absl::UnavailableError("draining");
  const auto answer = client_->Get("/livez");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
}

TEST_F(OpsServerTest, AnythingElseIsNotFound) {
  for (const std::string path : {"/", "/metrics/", "/livezz", "/..", "/.well-known/jwksXjson"}) {
    const auto answer = client_->Get(path);
    ASSERT_TRUE(answer) << path;
    EXPECT_EQ(answer->status, 404) << path;
  }
}

TEST_F(OpsServerTest, OtherMethodsAreRefused) {
  const auto answer = client_->Post("/metrics", "x=1", "text/plain");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 405);
  EXPECT_EQ(answer->get_header_value("Allow"), "GET, HEAD");
}

TEST_F(OpsServerTest, IdleConnectionsDoNotOccupyIt) {
  httplib::Client first("127.0.0.1", server_->port());
  httplib::Client second("127.0.0.1", server_->port());
  first.set_keep_alive(true);
  second.set_keep_alive(true);
  ASSERT_TRUE(first.Get("/livez"));
  ASSERT_TRUE(second.Get("/livez"));
  client_->set_read_timeout(2);
  EXPECT_TRUE(client_->Get("/livez"));  // with two threads, a third client would wait for one of them to time out
}

// Whether the server hangs up on a client that sends a byte of a request every 20 ms, within two seconds.
bool HangsUpOnATrickle(int port) {
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  const absl::Cleanup close_it = [connection] { close(connection); };
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string head = "GET /livez HTTP/1.1\r\nx: ";
  EXPECT_EQ(send(connection, head.data(), head.size(), MSG_NOSIGNAL), static_cast<ssize_t>(head.size()));
  for (int i = 0; i < 100; ++i) {
    pollfd waited{.fd = connection, .events = POLLIN, .revents = 0};
    if (poll(&waited, 1, 20) > 0 || send(connection, "x", 1, MSG_NOSIGNAL) < 0) return true;
  }
  return false;
}

TEST_F(OpsServerTest, ClientThatSendsByteAfterByteDoesNotOccupyIt) {
  OpsServer::Options options = OptionsWithPort(0);
  options.timeout = absl::Milliseconds(100);
  const auto server = OpsServer::Start(std::move(options));
  ASSERT_THAT(server, IsOk());
  EXPECT_TRUE(HangsUpOnATrickle((*server)->port()));
}

TEST_F(OpsServerTest, AddressInUseIsNamed) {
  const auto second = OpsServer::Start(OptionsWithPort(server_->port()));
  EXPECT_THAT(second, HasCode(absl::StatusCode::kUnavailable));
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr(absl::StrCat("127.0.0.1:", server_->port(), " for operations: Address already in use")));
}

TEST_F(OpsServerTest, StopFreesThePortAndMayBeRepeated) {
  const int port = server_->port();
  server_->Stop();
  server_->Stop();
  EXPECT_FALSE(client_->Get("/livez"));
  EXPECT_THAT(OpsServer::Start(OptionsWithPort(port)), IsOk());
}

}  // namespace
}  // namespace watchword
