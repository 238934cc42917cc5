// The gate on every kind of port, for every way to write a service and every kind of method: what is refused, how, and
// that the handler never ran. It also pins what the gate relies on in gRPC, part of which is marked experimental.
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gate_fixture.h"
#include "probe.grpc.pb.h"
#include "testing/status_matchers.h"
#include "testing/test_certificates.h"
#include "watchword/token/verifier.h"

namespace watchword {
namespace {

using testing::Combine;
using testing::TestParamInfo;
using testing::Values;

enum class Port { kPlaintext, kTls, kUnixSocket };

const char* const kMethods[] = {"Unary", "ClientStream", "ServerStream", "Bidi"};

struct Refusal {
  std::string name;
  Metadata metadata;
  grpc::StatusCode code;
  absl::string_view reason;
};

class GateConformanceTest : public GateFixture, public testing::WithParamInterface<std::tuple<Port, Style>> {
 protected:
  GateConformanceTest() { StartServer(); }

  ~GateConformanceTest() override { std::filesystem::remove(socket_); }

  void StartServer() {
    const auto [port, style] = GetParam();
    std::string address = "127.0.0.1:0";
    PortSecurity security = PortSecurity::Plaintext();
    if (port == Port::kTls) {
      certificates_.emplace();
      security = PortSecurity::Tls(certificates_->server_certificate_file(), certificates_->server_key_file());
    } else if (port == Port::kUnixSocket) {
      socket_ = absl::StrCat(testing::TempDir(), "/gate-", getpid(), ".sock");
      address = "unix:" + socket_;
      security = PortSecurity::UnixSocket();
    }
    server_.emplace(style, *gate_, address, security);
    if (port != Port::kUnixSocket) address = absl::StrCat("127.0.0.1:", server_->port());
    channel_ = grpc::CreateChannel(address, ClientCredentials());
  }

  std::shared_ptr<grpc::ChannelCredentials> ClientCredentials() const {
    if (!certificates_) return grpc::InsecureChannelCredentials();
    return grpc::SslCredentials({.pem_root_certs = ReadTestFile(certificates_->ca_file())});
  }

  CallResult Call(const std::string& method, const Metadata& metadata) {
    return RawCall(channel_, kProbePath + method, metadata);
  }

  void ExpectRefused(const Refusal& refusal, const std::string& method) {
    const int runs_before = server_->handler_runs();
    const grpc::Status status = Call(method, refusal.metadata).status;
    EXPECT_EQ(status.error_code(), refusal.code) << method << ": " << refusal.name << ": " << status.error_message();
    EXPECT_TRUE(absl::StartsWith(status.error_message(), absl::StrCat(refusal.reason, ":")))
        << method << ": " << refusal.name << ": " << status.error_message();
    EXPECT_EQ(server_->handler_runs(), runs_before) << method << ": " << refusal.name;
  }

  std::vector<Refusal> MalformedCredentials() const;
  std::vector<Refusal> BadTokens();

  std::optional<TestCertificates> certificates_;
  std::string socket_;
  std::optional<ProbeServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

std::vector<Refusal> GateConformanceTest::MalformedCredentials() const {
  const std::string good = Token(ProbeClaims());
  std::vector<Refusal> refusals = {
      {"no metadata", {}, grpc::UNAUTHENTICATED, kTokenMissing},
      {"binary entry only", {{"authorization-bin", "Bearer " + good}}, grpc::UNAUTHENTICATED, kTokenMissing},
      {"identity in other metadata",
       {{"x-watchword-subject", "root"}, {"x-user", "root"}, {"sub", "root"}},
       grpc::UNAUTHENTICATED,
       kTokenMissing}};
  const auto malformed = [&refusals](std::string name, Metadata metadata) {
    refusals.push_back({std::move(name), std::move(metadata), grpc::UNAUTHENTICATED, kTokenInvalid});
  };
  malformed("empty", {{"authorization", ""}});
  malformed("scheme alone", {{"authorization", "Bearer"}});
  malformed("two spaces", {{"authorization", "Bearer  " + good}});
  malformed("Basic", {{"authorization", "Basic " + good}});
  malformed("token", {{"authorization", "token " + good}});
  malformed("no scheme", {{"authorization", good}});
  malformed("twice the same", {{"authorization", "Bearer " + good}, {"authorization", "Bearer " + good}});
  malformed("good, then another", {{"authorization", "Bearer " + good}, {"authorization", "Basic x"}});
  malformed("another, then good", {{"authorization", ""}, {"authorization", "Bearer " + good}});
  malformed("joined by a comma", {{"authorization", "Bearer " + good + ",Bearer " + good}});
  malformed("one byte too long", Bearer(std::string(kMaxCredentialSize + 1, 'x')));
  malformed("not a token", Bearer("x"));
  return refusals;
}

std::vector<Refusal> GateConformanceTest::BadTokens() {
  std::vector<Refusal> refusals;
  const auto refused = [&](std::string name, const std::string& token, absl::string_view reason,
                           grpc::StatusCode code = grpc::UNAUTHENTICATED) {
    refusals.push_back({std::move(name), Bearer(token), code, reason});
  };
  const auto revoke = [this](auto target) {
    trust_.revocations().Add({.target = target, .expires_at = clock_.Now() + absl::Hours(1)}, clock_.Now());
  };
  const auto new_id = [this] { return Uuid::NewV7(clock_.Now(), SystemRandom()).value(); };

  Claims claims = ProbeClaims();
  claims.issued_at -= absl::Hours(1);
  claims.expires_at -= absl::Hours(1);
  refused("expired", Token(claims), kTokenExpired);

  claims = ProbeClaims();
  const Uuid session = new_id();
  claims.session_id = session.ToString();
  revoke(Revocation::Session{session});
  refused("revoked session", Token(claims), kTokenRevoked);

  claims = ProbeClaims();
  const Uuid principal = new_id();
  claims.subject = principal.ToString();
  revoke(Revocation::Principal{principal, clock_.Now()});
  refused("revoked principal", Token(claims), kTokenRevoked);

  refused("unknown key", MintToken(TestSigner(Algorithm::kEs256, "other"), ProbeClaims()), kTokenInvalid);
  refused("other key of the same id", MintToken(TestSigner(Algorithm::kEs256), ProbeClaims()), kTokenInvalid);

  claims = ProbeClaims();
  claims.audiences = {"payments"};
  refused("wrong audience", Token(claims), kTokenInvalid);

  claims = ProbeClaims();
  claims.certificate_sha256 = std::string(32, 'x');
  refused("bound to a certificate that was not shown", Token(claims), kTokenInvalid);

  claims = ProbeClaims();
  claims.scopes = {"probe", "probe.call.other"};
  refused("missing scope", Token(claims), kInsufficientScope, grpc::PERMISSION_DENIED);
  return refusals;
}

TEST_P(GateConformanceTest, MalformedCredentialIsRefusedBeforeTheHandler) {
  for (const char* method : kMethods) {
    for (const Refusal& refusal : MalformedCredentials()) ExpectRefused(refusal, method);
  }
}

TEST_P(GateConformanceTest, BadTokenIsRefusedBeforeTheHandler) {
  for (const Refusal& refusal : BadTokens()) {
    for (const char* method : kMethods) ExpectRefused(refusal, method);
  }
}

TEST_P(GateConformanceTest, GoodCallReachesTheHandlerWhichKnowsTheCaller) {
  const Claims claims = ProbeClaims();
  for (const char* method : kMethods) {
    const int runs_before = server_->handler_runs();
    const CallResult result = Call(method, Bearer(Token(claims)));
    EXPECT_TRUE(result.status.ok()) << method << ": " << result.status.error_message();
    EXPECT_EQ(result.caller, claims.subject) << method;
    EXPECT_EQ(server_->handler_runs(), runs_before + 1) << method;
  }
}

TEST_P(GateConformanceTest, WhatAClientSaysOfItselfInOtherMetadataChangesNothing) {
  const Claims claims = ProbeClaims();
  Metadata metadata = Bearer(Token(claims));
  for (const char* name : {"sub", "x-user", "x-forwarded-user", "x-watchword-subject", "watchword-caller", "caller",
                           "x509_common_name", "transport_security_type", "x509_pem_cert", "authorization-bin"}) {
    metadata.emplace_back(name, "root");
  }
  for (const char* method : {"Unary", "ClientStream", "ServerStream", "Bidi", "Open"}) {
    const CallResult result = Call(method, metadata);
    EXPECT_TRUE(result.status.ok()) << method << ": " << result.status.error_message();
    EXPECT_EQ(result.caller, claims.subject) << method;
  }
  metadata.erase(metadata.begin());
  EXPECT_EQ(Call("Open", metadata).caller, kTokenMissing);
}

TEST_P(GateConformanceTest, SchemeIsAcceptedInAnyCase) {
  const CallResult result = Call("Unary", {{"authorization", "bEaReR " + Token(ProbeClaims())}});
  EXPECT_TRUE(result.status.ok()) << result.status.error_message();
}

TEST_P(GateConformanceTest, AnonymousMethodIsOpenButItsCallerMustBeGenuine) {
  EXPECT_EQ(Call("Open", {}).caller, kTokenMissing);
  EXPECT_EQ(Call("Open", {{"authorization", "Basic x"}}).caller, kTokenInvalid);
  const Claims claims = ProbeClaims();
  EXPECT_EQ(Call("Open", Bearer(Token(claims))).caller, claims.subject);
}

TEST_P(GateConformanceTest, UnknownMethodIsRefusedLikeAnyOther) {
  ExpectRefused({"unknown method", {}, grpc::UNAUTHENTICATED, kTokenMissing}, "Nothing");
  if (std::get<Style>(GetParam()) == Style::kGeneric) return;  // it answers every method
  const grpc::Status status = Call("Nothing", Bearer(Token(ProbeClaims()))).status;
  EXPECT_EQ(status.error_code(), grpc::UNIMPLEMENTED) << status.error_message();
}

TEST_P(GateConformanceTest, CallWithoutATokenAfterAGoodOneOnTheSameConnectionIsRefused) {
  ASSERT_TRUE(Call("Unary", Bearer(Token(ProbeClaims()))).status.ok());
  for (const char* method : kMethods) {
    ExpectRefused({"after a good call", {}, grpc::UNAUTHENTICATED, kTokenMissing}, method);
  }
  EXPECT_EQ(Call("Open", {}).caller, kTokenMissing);
}

TEST_P(GateConformanceTest, CancelledCallLeavesNoIdentityBehind) {
  const auto stub = probe::v1::ProbeService::NewStub(channel_);
  grpc::ClientContext context;
  for (const auto& [key, value] : Bearer(Token(ProbeClaims()))) context.AddMetadata(key, value);
  const auto stream = stub->Bidi(&context);
  stream->Write(probe::v1::Probe());
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::CANCELLED);
  EXPECT_EQ(Call("Unary", {}).status.error_code(), grpc::UNAUTHENTICATED);
  EXPECT_EQ(Call("Open", {}).caller, kTokenMissing);
}

TEST_P(GateConformanceTest, InterleavedCallsOfManyUsersOnOneConnectionAreNeverMixedUp) {
  constexpr int kUsers = 50, kThreads = 16, kCalls = 1'000;
  std::vector<std::pair<std::string, std::string>> users;  // subject and token
  for (int i = 0; i < kUsers; ++i) {
    Claims claims = ProbeClaims();
    claims.subject = absl::StrCat("user-", i);
    users.emplace_back(claims.subject, Token(claims));
  }
  std::atomic<int> next{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = next++; i < kCalls; i = next++) {
        const auto& [subject, token] = users[i % kUsers];
        const CallResult result = Call(kMethods[i % std::size(kMethods)], Bearer(token));
        if (!result.status.ok() || result.caller != subject) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

std::string ParamName(const TestParamInfo<std::tuple<Port, Style>>& info) {
  static const char* const kPorts[] = {"Plaintext", "Tls", "UnixSocket"};
  static const char* const kStyles[] = {"Sync", "Callback", "Async", "Generic"};
  const auto [port, style] = info.param;
  return absl::StrCat(kPorts[static_cast<int>(port)], kStyles[static_cast<int>(style)]);
}

INSTANTIATE_TEST_SUITE_P(All, GateConformanceTest,
                         Combine(Values(Port::kPlaintext, Port::kTls, Port::kUnixSocket),
                                 Values(Style::kSync, Style::kCallback, Style::kAsync, Style::kGeneric)),
                         ParamName);

}  // namespace
}  // namespace watchword
