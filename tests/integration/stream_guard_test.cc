// Streams that outlive the credential they began with: the gate ends them, for every way to write a service, and a
// newer credential of the same session lets them go on.
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gate_fixture.h"
#include "testing/status_matchers.h"
#include "watchword/gate/stream_guard.h"
#include "watchword/v1/verifier.grpc.pb.h"

namespace watchword {
namespace {

using testing::TestParamInfo;
using testing::Values;

constexpr absl::Duration kPatience = absl::Seconds(20);

// A stream that is held open: the server's handler waits for a message that never comes.
class OpenStream {
 public:
  OpenStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, const Metadata& metadata)
      : stub_(channel) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    for (const auto& [key, value] : metadata) context_.AddMetadata(key, value);
    call_ = stub_.PrepareCall(&context_, kProbePath + method, &queue_);
    call_->StartCall(nullptr);
    Next();
    call_->Finish(&status_, nullptr);
  }
  ~OpenStream() {
    context_.TryCancel();
    if (!ended_) Next();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) continue;
  }

  // How the server ends it.
  grpc::Status WaitForEnd() {
    Next();
    ended_ = true;
    return status_;
  }

 private:
  void Next() {
    void* tag = nullptr;
    bool ok = false;
    queue_.Next(&tag, &ok);
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::Status status_;
  bool ended_ = false;
};

class StreamGuardTest : public GateFixture, public testing::WithParamInterface<Style> {
 protected:
  StreamGuardTest() : server_(GetParam(), *gate_, "127.0.0.1:0", PortSecurity::Plaintext()) {
    channel_ = grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_.port()), grpc::InsecureChannelCredentials());
  }

  std::unique_ptr<OpenStream> Open(const Claims& claims, const std::string& method = "Bidi") {
    const uint64_t before = gate_->metrics().open_streams;
    auto stream = std::make_unique<OpenStream>(channel_, method, Bearer(Token(claims)));
    EXPECT_TRUE(Eventually([&] { return gate_->metrics().open_streams == before + 1; }));
    return stream;
  }

  // Waits for something that other threads bring about.
  static bool Eventually(absl::FunctionRef<bool()> condition) {
    for (const absl::Time end = absl::Now() + kPatience; absl::Now() < end; std::this_thread::yield()) {
      if (condition()) return true;
    }
    return false;
  }

  void Revoke(const Claims& claims) {
    trust_.revocations().Add({.target = Revocation::Session{Uuid::Parse(claims.session_id).value()},
                              .expires_at = clock_.Now() + absl::Hours(1)},
                             clock_.Now());
  }

  absl::StatusOr<int> Renew(const Claims& claims) {
    auto stub = v1::VerifierService::NewStub(channel_);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    context.AddMetadata("authorization", "Bearer " + Token(claims));
    v1::RenewResponse response;
    const grpc::Status status = stub->Renew(&context, {}, &response);
    if (!status.ok()) return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
    return response.streams();
  }

  // The claims of a token of the same session that is issued later.
  static Claims Newer(Claims claims, absl::Duration later) {
    claims.issued_at += later;
    claims.token_id = absl::StrCat("issued-at-", absl::ToUnixSeconds(claims.issued_at));
    claims.expires_at += later;
    return claims;
  }

  // That a stream which was judged again several times goes on.
  void ExpectGoesOn(uint64_t streams) {
    const uint64_t ended = gate_->metrics().ended_streams;
    const absl::Time until = absl::Now() + 3 * StreamGuard::kRound;
    while (absl::Now() < until) std::this_thread::yield();
    EXPECT_EQ(gate_->metrics().open_streams, streams);
    EXPECT_EQ(gate_->metrics().ended_streams, ended);
  }

  ProbeServer server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_P(StreamGuardTest, IdleStreamEndsWhenItsSessionIsRevokedAndOthersGoOn) {
  const Claims revoked = ProbeClaims();
  Claims other = ProbeClaims();
  other.session_id = "01890a5d-ac96-774b-bcce-b302099a8057";
  const auto first = Open(revoked);
  const auto second = Open(other, "ClientStream");
  Revoke(revoked);
  EXPECT_EQ(first->WaitForEnd().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(gate_->metrics().ended_streams, 1u);
  ExpectGoesOn(1);
}

TEST_P(StreamGuardTest, IdleStreamEndsWhenItsCredentialExpires) {
  const Claims claims = ProbeClaims();
  const auto stream = Open(claims);
  clock_.SetNow(claims.expires_at + absl::Seconds(30) - absl::Nanoseconds(1));  // the leeway is 30 s
  ExpectGoesOn(1);
  clock_.SetNow(claims.expires_at + absl::Seconds(30));
  EXPECT_EQ(stream->WaitForEnd().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_P(StreamGuardTest, StreamEndsWhenItsKeyIsGone) {
  const auto stream = Open(ProbeClaims());
  trust_.SetKeys(TestSigner(Algorithm::kEs256, "another-key").keys());
  EXPECT_EQ(stream->WaitForEnd().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_P(StreamGuardTest, RenewedStreamLastsADayOnCredentialsOfFiveMinutes) {
  Claims claims = ProbeClaims();
  const auto stream = Open(claims);
  for (absl::Duration passed; passed < absl::Hours(24); passed += absl::Minutes(4)) {
    clock_.Advance(absl::Minutes(4));
    claims = Newer(claims, absl::Minutes(4));
    const auto renewed = Renew(claims);
    ASSERT_THAT(renewed, IsOk());
    ASSERT_EQ(*renewed, 1);
  }
  ExpectGoesOn(1);
  Revoke(claims);
  EXPECT_EQ(stream->WaitForEnd().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_P(StreamGuardTest, OnlyACredentialOfTheSameSessionThatMeetsTheRuleRenews) {
  const Claims claims = ProbeClaims();
  const auto stream = Open(claims);
  Claims other_session = Newer(claims, absl::Seconds(20));
  other_session.session_id = "01890a5d-ac96-774b-bcce-b302099a8057";
  Claims other_principal = Newer(claims, absl::Seconds(20));
  other_principal.subject = "01890a5d-ac96-774b-bcce-b302099a8058";
  Claims fewer_scopes = Newer(claims, absl::Seconds(20));
  fewer_scopes.scopes = {"probe.other"};
  Claims shorter = claims;
  shorter.expires_at -= absl::Minutes(1);
  for (const Claims& useless : {other_session, other_principal, fewer_scopes, shorter}) {
    const auto renewed = Renew(useless);
    ASSERT_THAT(renewed, IsOk());
    EXPECT_EQ(*renewed, 0);
  }
  clock_.SetNow(claims.expires_at + absl::Seconds(30));
  EXPECT_EQ(stream->WaitForEnd().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_P(StreamGuardTest, RenewNeedsAGoodCredential) {
  Claims expired = ProbeClaims();
  expired.issued_at -= absl::Hours(1);
  expired.expires_at -= absl::Hours(1);
  EXPECT_THAT(Renew(expired), HasCode(absl::StatusCode::kUnauthenticated));
}

TEST_P(StreamGuardTest, StreamThatEndsByItselfIsForgotten) {
  const CallResult result = RawCall(channel_, std::string(kProbePath) + "Bidi", Bearer(Token(ProbeClaims())));
  EXPECT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_TRUE(Eventually([this] { return gate_->metrics().open_streams == 0; }));
  Open(ProbeClaims()).reset();  // the client goes away
  EXPECT_TRUE(Eventually([this] { return gate_->metrics().open_streams == 0; }));
  EXPECT_EQ(gate_->metrics().ended_streams, 0u);
}

// A stream of a method that takes no risk while revocations may be missing.
class StaleStreamTest : public GateFixture {
 protected:
  StaleStreamTest() {
    gate_ = Gate::CreateOn(trust_, {.issuer = std::string(kTestIssuer),
                                    .audiences = {std::string(kTestAudience)},
                                    .rules = {{absl::StrCat(kProbePath, "Bidi"), {.when_stale = WhenStale::kRefuse}}},
                                    .clock = &clock_})
                .value();
    server_.emplace(Style::kCallback, *gate_, "127.0.0.1:0", PortSecurity::Plaintext());
    channel_ = grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->port()), grpc::InsecureChannelCredentials());
  }

  std::optional<ProbeServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(StaleStreamTest, EndsWhenTrustIsStaleAndStreamsOfOtherMethodsGoOn) {
  trust_.NoteHeartbeat();
  const auto open_streams = [this](uint64_t count) {
    for (const absl::Time end = absl::Now() + kPatience; absl::Now() < end; std::this_thread::yield()) {
      if (gate_->metrics().open_streams == count) return true;
    }
    return false;
  };
  OpenStream other(channel_, "ClientStream", Bearer(Token(ProbeClaims())));
  OpenStream stream(channel_, "Bidi", Bearer(Token(ProbeClaims())));
  ASSERT_TRUE(open_streams(2));
  clock_.Advance(absl::Seconds(5));
  for (const absl::Time end = absl::Now() + 3 * StreamGuard::kRound; absl::Now() < end;) std::this_thread::yield();
  EXPECT_EQ(gate_->metrics().ended_streams, 0u);
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_EQ(stream.WaitForEnd().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(open_streams(1));
  EXPECT_EQ(gate_->metrics().ended_streams, 1u);
}

std::string StyleName(const TestParamInfo<Style>& style) {
  switch (style.param) {
    case Style::kSync:
      return "Sync";
    case Style::kCallback:
      return "Callback";
    case Style::kAsync:
      return "Async";
    case Style::kGeneric:
      return "Generic";
  }
  return "";
}

INSTANTIATE_TEST_SUITE_P(All, StreamGuardTest, Values(Style::kSync, Style::kCallback, Style::kAsync, Style::kGeneric),
                         StyleName);

}  // namespace
}  // namespace watchword
