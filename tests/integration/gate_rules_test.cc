// Rules that go beyond scopes, where they come from, and what a server that breaks them is not allowed to do.
#include <optional>

#include "absl/strings/str_cat.h"
#include "gate_fixture.h"
#include "testing/status_matchers.h"
#include "watchword/v1/verifier.grpc.pb.h"

namespace watchword {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class GateRulesTest : public GateFixture {
 protected:
  Gate::Options Options() {
    return {.issuer = std::string(kTestIssuer),
            .audiences = {std::string(kTestAudience), "reports"},
            .log = &log_,
            .clock = &clock_};
  }

  void Start(const Gate::Options& options) {
    server_.reset();
    gate_ = Gate::CreateOn(trust_, options).value();
    server_.emplace(Style::kCallback, *gate_, "127.0.0.1:0", PortSecurity::Plaintext());
    channel_ = grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->port()), grpc::InsecureChannelCredentials());
  }

  void Start(MethodRule rule) {
    Gate::Options options = Options();
    options.rules = {{absl::StrCat(kProbePath, "Unary"), std::move(rule)}};
    Start(options);
  }

  CallResult Call(const Claims& claims, const std::string& method = "Unary") {
    return RawCall(channel_, kProbePath + method, Bearer(Token(claims)));
  }

  void ExpectRefused(const Claims& claims, grpc::StatusCode code, absl::string_view reason) {
    const int runs_before = server_->handler_runs();
    const uint64_t refused_before = gate_->metrics().refused.at(std::string(reason));
    const grpc::Status status = Call(claims).status;
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), StartsWith(absl::StrCat(reason, ":")));
    EXPECT_EQ(server_->handler_runs(), runs_before);
    EXPECT_EQ(gate_->metrics().refused.at(std::string(reason)), refused_before + 1);
  }
  void ExpectAccepted(const Claims& claims) {
    const CallResult result = Call(claims);
    EXPECT_TRUE(result.status.ok()) << result.status.error_message();
    EXPECT_EQ(result.caller, claims.subject);
  }

  ErrorLog log_;
  std::optional<ProbeServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(GateRulesTest, AnyOneOfTheScopesIsEnough) {
  Start({.require_any_scope = {"probe.read", "probe.write"}});
  Claims claims = ProbeClaims();
  ExpectRefused(claims, grpc::PERMISSION_DENIED, kInsufficientScope);
  claims.scopes = {"other", "probe.write"};
  ExpectAccepted(claims);
}

TEST_F(GateRulesTest, CredentialMustBeForTheAudienceOfTheRule) {
  Start({.audience = "reports"});
  Claims claims = ProbeClaims();
  ExpectRefused(claims, grpc::UNAUTHENTICATED, kTokenInvalid);
  claims.audiences = {std::string(kTestAudience), "reports"};
  ExpectAccepted(claims);
}

TEST_F(GateRulesTest, CredentialThatIsNotBoundIsRefusedWhereItMustBe) {
  Start({.require_bound = true});
  ExpectRefused(ProbeClaims(), grpc::UNAUTHENTICATED, kTokenInvalid);
}

TEST_F(GateRulesTest, StaleTrustIsRefusedOnlyWhereTheRuleSaysSoAndOnlyBeyondTheBound) {
  Gate::Options options = Options();
  options.rules = {{absl::StrCat(kProbePath, "Unary"), {.when_stale = WhenStale::kRefuse}}};
  Start(options);
  ExpectRefused(ProbeClaims(), grpc::UNAVAILABLE, kTrustStale);  // never heard
  trust_.NoteHeartbeat();
  clock_.Advance(absl::Seconds(5));
  ExpectAccepted(ProbeClaims());
  clock_.Advance(absl::Nanoseconds(1));
  ExpectRefused(ProbeClaims(), grpc::UNAVAILABLE, kTrustStale);
  EXPECT_TRUE(Call(ProbeClaims(), "Bidi").status.ok());  // its rule does not say
  trust_.NoteHeartbeat();                                // the auth service is back
  ExpectAccepted(ProbeClaims());
}

TEST_F(GateRulesTest, WhereNoRuleSaysTheGatesOwnChoiceHolds) {
  Gate::Options options = Options();
  options.when_stale = WhenStale::kRefuse;
  options.staleness_bound = absl::Seconds(60);
  Start(options);
  trust_.NoteHeartbeat();
  clock_.Advance(absl::Seconds(60));
  ExpectAccepted(ProbeClaims());
  clock_.Advance(absl::Seconds(1));
  ExpectRefused(ProbeClaims(), grpc::UNAVAILABLE, kTrustStale);
  EXPECT_TRUE(RawCall(channel_, absl::StrCat(kProbePath, "Open"), {}).status.ok());  // anonymous methods need no trust
}

TEST_F(GateRulesTest, RuleOfTheProgramReplacesTheOption) {
  Start({.allow_anonymous = true});
  EXPECT_TRUE(RawCall(channel_, absl::StrCat(kProbePath, "Unary"), {}).status.ok());
}

TEST_F(GateRulesTest, StrictServerDoesNotStartWhileAMethodLacksARuleAndNamesIt) {
  Gate::Options options = Options();
  options.strict = true;
  Start(options);
  EXPECT_FALSE(server_->started());
  EXPECT_THAT(log_.text, AllOf(HasSubstr("/probe.v1.ProbeService/NoRule"), Not(HasSubstr("ProbeService/Unary"))));
  options.rules = {{absl::StrCat(kProbePath, "NoRule"), {.require_scopes = {"probe.call"}}}};
  Start(options);
  EXPECT_TRUE(server_->started());
}

TEST_F(GateRulesTest, ServerWithARuleForAnAudienceThatIsNotItsOwnDoesNotStart) {
  Start({.audience = "payments"});
  EXPECT_FALSE(server_->started());
  EXPECT_THAT(log_.text, AllOf(HasSubstr("/probe.v1.ProbeService/Unary"), HasSubstr("payments")));
}

TEST_F(GateRulesTest, PortsOfTwoGatesOnOneServerAreRefused) {
  const auto other = Gate::CreateOn(trust_, Options()).value();
  gate_ = Gate::CreateOn(trust_, Options()).value();
  grpc::ServerBuilder builder;
  gate_->AddListeningPort(builder, "127.0.0.1:0", PortSecurity::Plaintext());
  other->AddListeningPort(builder, "127.0.0.1:0", PortSecurity::Plaintext());
  EXPECT_EQ(builder.BuildAndStart(), nullptr);
  EXPECT_THAT(log_.text, HasSubstr("different gates"));
}

TEST_F(GateRulesTest, HealthIsAMethodLikeAnyOtherIfItIsNotOpen) {
  Gate::Options options = Options();
  options.open_health_and_reflection = false;
  Start(options);
  EXPECT_EQ(RawCall(channel_, "/grpc.health.v1.Health/Check", {}).status.error_code(), grpc::UNAUTHENTICATED);
}

TEST_F(GateRulesTest, RulesThatContradictThemselvesOrNameNoMethodStopTheStart) {
  for (const char* path : {"", "/", "Unary", "/Unary", "probe.v1.ProbeService/Unary", "/a/b/c", "/a/"}) {
    Gate::Options options = Options();
    options.rules = {{path, {}}};
    EXPECT_THAT(Gate::CreateOn(trust_, options), HasCode(absl::StatusCode::kInvalidArgument)) << path;
  }
  Gate::Options options = Options();
  options.rules = {{absl::StrCat(kProbePath, "Unary"), {.allow_anonymous = true, .require_scopes = {"x"}}}};
  EXPECT_THAT(Gate::CreateOn(trust_, options), HasCode(absl::StatusCode::kInvalidArgument));
  options = Options();
  options.staleness_bound = absl::ZeroDuration();
  EXPECT_THAT(Gate::CreateOn(trust_, options), HasCode(absl::StatusCode::kInvalidArgument));
}

TEST_F(GateRulesTest, ServerSaysWhichRuleHoldsForEachMethodToThoseWithACredential) {
  Start({.require_any_scope = {"a"}, .when_stale = WhenStale::kRefuse});
  auto stub = v1::VerifierService::NewStub(channel_);
  v1::ListRulesResponse response;
  {
    grpc::ClientContext context;
    EXPECT_EQ(stub->ListRules(&context, {}, &response).error_code(), grpc::UNAUTHENTICATED);
  }
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + Token(ProbeClaims()));
  ASSERT_TRUE(stub->ListRules(&context, {}, &response).ok());
  std::map<std::string, v1::MethodRule> rules;
  for (const auto& rule : response.rules()) rules[rule.method()] = rule;
  const v1::MethodRule& unary = rules[absl::StrCat(kProbePath, "Unary")];
  EXPECT_EQ(unary.origin(), v1::RULE_ORIGIN_PROGRAM);
  EXPECT_EQ(unary.rule().require_any_scope(0), "a");
  EXPECT_EQ(unary.rule().when_stale(), v1::WHEN_STALE_REFUSE);
  EXPECT_EQ(rules[absl::StrCat(kProbePath, "Open")].origin(), v1::RULE_ORIGIN_OPTION);
  EXPECT_TRUE(rules[absl::StrCat(kProbePath, "Open")].rule().allow_anonymous());
  EXPECT_EQ(rules[absl::StrCat(kProbePath, "NoRule")].origin(), v1::RULE_ORIGIN_NONE);
}

// Adds one to a number for each call.
class CountingInterceptors final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit CountingInterceptors(std::atomic<int>& calls) : calls_(calls) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo*) override {
    ++calls_;
    return nullptr;
  }

 private:
  std::atomic<int>& calls_;
};

TEST_F(GateRulesTest, ServersOwnInterceptorsAreCalledForAdmittedCallsOnly) {
  std::atomic<int> calls{0};
  gate_ = Gate::CreateOn(trust_, Options()).value();
  grpc::ServerBuilder builder;
  int port = 0;
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> creators;
  creators.push_back(std::make_unique<CountingInterceptors>(calls));
  gate_->SetInterceptorCreators(builder, std::move(creators));
  gate_->AddListeningPort(builder, "127.0.0.1:0", PortSecurity::Plaintext(), &port);
  const auto server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  channel_ = grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
  auto stub = v1::VerifierService::NewStub(channel_);
  v1::ListRulesResponse response;
  grpc::ClientContext refused, admitted;
  EXPECT_FALSE(stub->ListRules(&refused, {}, &response).ok());
  EXPECT_EQ(calls, 0);
  admitted.AddMetadata("authorization", "Bearer " + Token(ProbeClaims()));
  EXPECT_TRUE(stub->ListRules(&admitted, {}, &response).ok());
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace watchword
