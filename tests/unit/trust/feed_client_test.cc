#include "watchword/trust/feed_client.h"

#include <future>
#include <memory>
#include <string>

#include "feed_messages.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "scripted_trust_service.h"
#include "testing/status_matchers.h"
#include "testing/test_certificates.h"
#include "testing/test_signer.h"
#include "watchword/base/testing/fake_clock.h"
#include "watchword/token/reasons.h"
#include "watchword/trust/checker.h"

namespace watchword {
namespace {

constexpr ReconnectPause::Limits kShortPauses = {
    .min_backoff = absl::Milliseconds(1), .max_backoff = absl::Milliseconds(10), .spread = absl::Milliseconds(1)};

// Waits until what was sent is applied by ending the stream: the next one's cursor tells.
class FeedClientTest : public testing::Test {
 protected:
  FeedClientTest() {
    // A real connection: gRPC 1.51's in-process channel crashes in calls that begin when its server has shut down.
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials());
    StartClient({.verifier = "orders", .pauses = kShortPauses});
  }
  ~FeedClientTest() override {
    client_.reset();
    server_->Shutdown(std::chrono::system_clock::now());
  }

  void StartClient(FeedClient::Options options) {
    client_ = std::make_unique<FeedClient>(channel_, std::move(options), trust_, log_);
  }
  bool IsRevoked(const Uuid& session) {
    Claims claims;
    claims.session_id = session.ToString();
    return trust_.revocations().IsRevoked(VerifiedCredential::AssumeVerified(std::move(claims), "key"));
  }

  class SilentLogger final : public Logger {
    void Write(Severity, absl::string_view, absl::Span<const LogField>) override {}
  };

  FakeClock clock_;
  SilentLogger log_;
  TrustState trust_{clock_};
  ScriptedTrustService service_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<FeedClient> client_;
  const TestSigner signer_{Algorithm::kEs256};
  const Uuid a_ = NewSessionId(), b_ = NewSessionId();
};

TEST_F(FeedClientTest, IntroducesItselfAndIsReadyWithKeysAndSnapshot) {
  auto* stream = service_.NextStream();
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(stream->hello().verifier(), "orders");
  EXPECT_EQ(stream->hello().epoch(), "");
  EXPECT_EQ(stream->hello().last_seq(), 0u);
  stream->Send(KeysMessage({signer_.jwk()}));
  EXPECT_FALSE(client_->WaitUntilReady(absl::ZeroDuration()));
  stream->Send(SnapshotMessage("e1", 4, {SessionEntry(4, a_)}));
  EXPECT_TRUE(client_->WaitUntilReady(absl::Seconds(10)));
  EXPECT_NE(trust_.keys()->Find("test-key"), nullptr);
  EXPECT_TRUE(IsRevoked(a_));
}

TEST_F(FeedClientTest, AcknowledgesWhatItHasAppliedOnceItIsKnownToBeOfTheServersEpoch) {
  auto* first = service_.NextStream();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->hello().instance().size(), 16u);
  first->Send(KeysMessage({signer_.jwk()}));
  first->Send(SnapshotMessage("e1", 4, {SessionEntry(4, a_)}));
  EXPECT_TRUE(first->WaitForAcknowledgement(4));
  EXPECT_EQ(first->acknowledgements().size(), 1u);  // none for the keys alone
  EXPECT_EQ(first->acknowledgements()[0].key_ids(0), "test-key");
  first->Send(KeysMessage({signer_.jwk()}));  // nothing new to say
  first->Send(RevocationsMessage({SessionEntry(5, b_)}));
  EXPECT_TRUE(first->WaitForAcknowledgement(5));
  EXPECT_TRUE(IsRevoked(b_));
  EXPECT_EQ(first->acknowledgements().size(), 2u);
  first->Send(HeartbeatMessage(5));
  while (first->acknowledgements().size() < 3) std::this_thread::yield();
  EXPECT_EQ(first->acknowledgements()[2].seq(), 5u);
  first->End();

  auto* second = service_.NextStream();
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->hello().instance(), first->hello().instance());
  second->Send(KeysMessage({signer_.jwk()}));
  second->Send(SnapshotMessage("e2", 1, {}));
  EXPECT_TRUE(second->WaitForAcknowledgement(1));
  EXPECT_EQ(second->acknowledgements().size(), 1u);  // the 5 of the other epoch was not claimed of this one
}

TEST_F(FeedClientTest, ResumesWhereItWasWhenTheStreamEnds) {
  auto* first = service_.NextStream();
  ASSERT_NE(first, nullptr);
  first->Send(SnapshotMessage("e1", 4, {}));
  first->Send(RevocationsMessage({SessionEntry(5, a_)}));
  first->End();
  auto* second = service_.NextStream();
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->hello().epoch(), "e1");
  EXPECT_EQ(second->hello().last_seq(), 5u);
  EXPECT_TRUE(IsRevoked(a_));
  second->Send(RevocationsMessage({SessionEntry(6, b_)}));
  second->End();
  auto* third = service_.NextStream();
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(third->hello().last_seq(), 6u);
  EXPECT_TRUE(IsRevoked(b_));
}

TEST_F(FeedClientTest, GapMakesItConnectAgainFromBeforeTheGap) {
  auto* first = service_.NextStream();
  ASSERT_NE(first, nullptr);
  first->Send(SnapshotMessage("e1", 4, {}));
  first->Send(RevocationsMessage({SessionEntry(6, a_)}));
  auto* second = service_.NextStream();
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->hello().last_seq(), 4u);
  EXPECT_FALSE(IsRevoked(a_));
}

TEST_F(FeedClientTest, NewEpochIsTakenWithItsSnapshot) {
  auto* first = service_.NextStream();
  ASSERT_NE(first, nullptr);
  first->Send(SnapshotMessage("e1", 4, {SessionEntry(4, a_)}));
  first->End();
  auto* second = service_.NextStream();
  ASSERT_NE(second, nullptr);
  second->Send(SnapshotMessage("e2", 1, {SessionEntry(1, b_)}));
  second->End();
  auto* third = service_.NextStream();
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(third->hello().epoch(), "e2");
  EXPECT_EQ(third->hello().last_seq(), 1u);
  EXPECT_TRUE(IsRevoked(a_));
  EXPECT_TRUE(IsRevoked(b_));
}

TEST_F(FeedClientTest, SilenceMakesItConnectAgain) {
  ASSERT_NE(service_.NextStream(), nullptr);
  client_.reset();
  StartClient({.verifier = "orders", .silence_limit = absl::Milliseconds(50), .pauses = kShortPauses});
  ASSERT_NE(service_.NextStream(), nullptr);
  EXPECT_NE(service_.NextStream(), nullptr);
}

// Heartbeats that come each second, but a minute late, say nothing about now.
TEST_F(FeedClientTest, HeartbeatsThatAreLateCountAsSilence) {
  auto* stream = service_.NextStream();
  ASSERT_NE(stream, nullptr);
  const absl::Time begin = clock_.Now();
  stream->Send(KeysMessage({signer_.jwk()}));
  stream->Send(SnapshotMessage("e1", 4, {}));
  stream->Send(HeartbeatMessage(4, begin));
  stream->Send(RevocationsMessage({SessionEntry(5, a_)}));
  ASSERT_TRUE(stream->WaitForAcknowledgement(5));
  clock_.Advance(absl::Minutes(1));
  auto next = std::async(std::launch::async, [this] { return service_.NextStream(); });
  for (int i = 1; next.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout; ++i) {
    stream->Send(HeartbeatMessage(5, begin + absl::Milliseconds(i)));
  }
  EXPECT_NE(next.get(), nullptr);
}

TEST_F(FeedClientTest, KeyThatIsNoLongerInTheSetIsRefusedEvenIfItsCredentialWasCached) {
  const TestSigner next(Algorithm::kEs256, "next-key");
  CredentialChecker checker(
      TokenVerifier::Create({.issuer = std::string(kTestIssuer), .audiences = {std::string(kTestAudience)}}).value(),
      trust_, clock_);
  const std::string token = MintToken(signer_, GoodClaims(clock_.Now()));
  auto* stream = service_.NextStream();
  ASSERT_NE(stream, nullptr);
  stream->Send(KeysMessage({signer_.jwk(), next.jwk()}));
  stream->Send(SnapshotMessage("e1", 4, {}));
  ASSERT_TRUE(client_->WaitUntilReady(absl::Seconds(10)));
  EXPECT_THAT(checker.Check(token), IsOk());
  stream->Send(KeysMessage({next.jwk()}));
  stream->Send(RevocationsMessage({SessionEntry(5, a_)}));
  ASSERT_TRUE(stream->WaitForAcknowledgement(5));
  EXPECT_THAT(checker.Check(token), HasReason(kTokenInvalid));
}

// Has no credential to give, and takes its time to say so.
class StuckTokenSource final : public TokenSource {
 public:
  ~StuckTokenSource() override { Release(); }
  absl::StatusOr<std::string> GetToken(absl::Duration timeout) override {
    const absl::Duration deadline = SystemClock().SinceBoot() + timeout;
    MutexLock lock(mutex_);
    asked_ = true;
    changed_.NotifyAll();
    while (!released_ && SystemClock().SinceBoot() < deadline) changed_.WaitFor(mutex_, absl::Seconds(1));
    return absl::UnavailableError("no credential");
  }
  void Reject(absl::string_view) override {}
  void WaitUntilAsked() {
    MutexLock lock(mutex_);
    while (!asked_) changed_.Wait(mutex_);
  }
  void Release() {
    MutexLock lock(mutex_);
    released_ = true;
    changed_.NotifyAll();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool asked_ ABSL_GUARDED_BY(mutex_) = false;
  bool released_ ABSL_GUARDED_BY(mutex_) = false;
};

TEST_F(FeedClientTest, EndsSoonWhileItWaitsForItsOwnCredential) {
  client_.reset();
  const auto stuck = std::make_shared<StuckTokenSource>();
  StartClient({.verifier = "orders", .token_source = stuck, .allow_plaintext_tokens = true});
  stuck->WaitUntilAsked();
  const absl::Duration begin = SystemClock().SinceBoot();
  client_.reset();
  EXPECT_LT(SystemClock().SinceBoot() - begin, absl::Seconds(5));
  stuck->Release();
}

TEST_F(FeedClientTest, KeepsWhatItKnowsWhileTheServiceIsAway) {
  auto* first = service_.NextStream();
  ASSERT_NE(first, nullptr);
  first->Send(KeysMessage({signer_.jwk()}));
  first->Send(SnapshotMessage("e1", 4, {SessionEntry(4, a_)}));
  ASSERT_TRUE(client_->WaitUntilReady(absl::Seconds(10)));
  server_->Shutdown(std::chrono::system_clock::now());
  EXPECT_TRUE(client_->WaitUntilReady(absl::ZeroDuration()));
  EXPECT_NE(trust_.keys()->Find("test-key"), nullptr);
  EXPECT_TRUE(IsRevoked(a_));
}

TEST_F(FeedClientTest, ServerThatCannotShowWhoItIsIsNotListenedTo) {
  const TestCertificates ours, others;
  ScriptedTrustService service;
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs = {{ReadTestFile(ours.server_key_file()), ReadTestFile(ours.server_certificate_file())}};
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  const auto connect = [this, port](const TestCertificates& trusted, const std::string& name) {
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                   grpc::SslCredentials({.pem_root_certs = ReadTestFile(trusted.ca_file())}));
    StartClient({.verifier = name, .pauses = kShortPauses});
  };
  connect(others, "deceived");
  EXPECT_FALSE(client_->WaitUntilReady(absl::Milliseconds(500)));
  client_.reset();
  connect(ours, "right");
  auto* stream = service.NextStream();  // the first that there was
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(stream->hello().verifier(), "right");
  client_.reset();
  server->Shutdown(std::chrono::system_clock::now());
}

TEST_F(FeedClientTest, EndsAtOnceInTheMiddleOfAStream) {
  ASSERT_NE(service_.NextStream(), nullptr);
  client_.reset();
}

}  // namespace
}  // namespace watchword
