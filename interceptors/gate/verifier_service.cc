#include "watchword/gate/verifier_service.h"

#include <utility>

#include "grpcpp/support/server_callback.h"
#include "watchword/gate/peer_certificate.h"
#include "watchword/v1/verifier.grpc.pb.h"

namespace watchword {
namespace {

v1::RuleOrigin ToProto(RuleOrigin origin) {
  switch (origin) {
    case RuleOrigin::kNone:
      return v1::RULE_ORIGIN_NONE;
    case RuleOrigin::kOption:
      return v1::RULE_ORIGIN_OPTION;
    case RuleOrigin::kProgram:
      return v1::RULE_ORIGIN_PROGRAM;
    case RuleOrigin::kLibrary:
      return v1::RULE_ORIGIN_LIBRARY;
  }
  return v1::RULE_ORIGIN_UNSPECIFIED;
}

void Fill(const MethodRule& rule, v1::AccessRule& out) {
  out.set_allow_anonymous(rule.allow_anonymous);
  out.mutable_require_scopes()->Add(rule.require_scopes.begin(), rule.require_scopes.end());
  out.mutable_require_any_scope()->Add(rule.require_any_scope.begin(), rule.require_any_scope.end());
  out.set_audience(rule.audience);
  out.set_require_bound(rule.require_bound);
  if (!rule.when_stale.has_value()) return;
  out.set_when_stale(*rule.when_stale == WhenStale::kRefuse ? v1::WHEN_STALE_REFUSE
                                                            : v1::WHEN_STALE_ACCEPT_UNTIL_EXPIRY);
}

class VerifierService final : public v1::VerifierService::CallbackService {
 public:
  VerifierService(std::shared_ptr<Admission> admission, std::shared_ptr<StreamGuard> streams,
                  std::vector<std::string> methods)
      : admission_(std::move(admission)), streams_(std::move(streams)), methods_(std::move(methods)) {}

  grpc::ServerUnaryReactor* Renew(grpc::CallbackServerContext* context, const v1::RenewRequest*,
                                  v1::RenewResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const auto verified =
        admission_->Authenticate(AuthorizationOf(*context), [context] { return PeerCertificateOf(*context); });
    if (verified.ok()) {
      response->set_streams(streams_->Renew(*verified));
      response->mutable_expires_at()->set_seconds(absl::ToUnixSeconds((*verified)->claims().expires_at));
    }
    const absl::Status& status = verified.status();
    reactor->Finish({static_cast<grpc::StatusCode>(status.code()), std::string(status.message())});
    return reactor;
  }

  grpc::ServerUnaryReactor* ListRules(grpc::CallbackServerContext* context, const v1::ListRulesRequest*,
                                      v1::ListRulesResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    for (const std::string& path : methods_) {
      const MethodRule& rule = admission_->rules().Find(path);
      v1::MethodRule& listed = *response->add_rules();
      listed.set_method(path);
      listed.set_origin(ToProto(rule.origin));
      Fill(rule, *listed.mutable_rule());
    }
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const std::shared_ptr<Admission> admission_;
  const std::shared_ptr<StreamGuard> streams_;
  const std::vector<std::string> methods_;
};

}  // namespace

std::shared_ptr<grpc::Service> MakeVerifierService(std::shared_ptr<Admission> admission,
                                                   std::shared_ptr<StreamGuard> streams,
                                                   std::vector<std::string> methods) {
  return std::make_shared<VerifierService>(std::move(admission), std::move(streams), std::move(methods));
}

}  // namespace watchword
