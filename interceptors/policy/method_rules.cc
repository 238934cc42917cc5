#include "watchword/policy/method_rules.h"

#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor_database.h"
#include "watchword/v1/policy.pb.h"

namespace watchword {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

// Anonymous although their descriptors carry no option (and, for health, may not even be linked).
constexpr const char* kAnonymousMethods[] = {
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
};

std::optional<WhenStale> ToWhenStale(v1::WhenStale when_stale) {
  switch (when_stale) {
    case v1::WHEN_STALE_UNSPECIFIED:
      return std::nullopt;
    case v1::WHEN_STALE_ACCEPT_UNTIL_EXPIRY:
      return WhenStale::kAcceptUntilExpiry;
    default:  // and for a value that this version does not know, the strict side
      return WhenStale::kRefuse;
  }
}

MethodRule RuleOf(const MethodDescriptor& method) {
  const v1::AccessRule& option = method.options().GetExtension(v1::access);
  MethodRule rule{.require_scopes = {option.require_scopes().begin(), option.require_scopes().end()},
                  .require_any_scope = {option.require_any_scope().begin(), option.require_any_scope().end()},
                  .audience = option.audience(),
                  .when_stale = ToWhenStale(option.when_stale()),
                  .require_bound = option.require_bound(),
                  .origin = RuleOrigin::kOption};
  // A rule that says both contradicts itself; the strict half counts.
  rule.allow_anonymous = option.allow_anonymous() && !rule.AsksForSomething();
  return rule;
}

std::string PathOf(const MethodDescriptor& method) {
  return absl::StrCat("/", method.service()->full_name(), "/", method.name());
}

void AddRules(const ServiceDescriptor& service, absl::flat_hash_map<std::string, MethodRule>& rules) {
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    if (method.options().HasExtension(v1::access)) rules.insert_or_assign(PathOf(method), RuleOf(method));
  }
}

bool IsPath(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return absl::StartsWith(path, "/") && slash > 1 && slash + 1 < path.size() && path.find('/', 1) == slash;
}

}  // namespace

MethodRules MethodRules::FromLinkedServices() {
  MethodRules rules;
  for (const char* path : kAnonymousMethods) {
    rules.rules_[path] = {.allow_anonymous = true, .origin = RuleOrigin::kLibrary};
  }

  // Descriptors are built when first asked for, by file name. Only the database behind the pool knows all names: a
  // function that protobuf calls internal, without an alternative that does not need every service named by hand.
  std::vector<std::string> files;
  DescriptorPool::internal_generated_database()->FindAllFileNames(&files);
  for (const std::string& name : files) {
    const FileDescriptor* file = DescriptorPool::generated_pool()->FindFileByName(name);
    if (file == nullptr) continue;
    for (int i = 0; i < file->service_count(); ++i) AddRules(*file->service(i), rules.rules_);
  }
  return rules;
}

absl::Status MethodRules::Set(absl::string_view path, MethodRule rule) {
  if (!IsPath(path)) {
    return absl::InvalidArgumentError(absl::StrCat("rules: \"", path, "\" must be like /package.Service/Method"));
  }
  if (rule.allow_anonymous && rule.AsksForSomething()) {
    return absl::InvalidArgumentError(
        absl::StrCat("rules: that of ", path, " allows everybody and asks for something"));
  }
  rule.origin = RuleOrigin::kProgram;
  rules_.insert_or_assign(std::string(path), std::move(rule));
  return absl::OkStatus();
}

void MethodRules::CloseHealthAndReflection() {
  for (const char* path : kAnonymousMethods) rules_.erase(path);
}

const MethodRule& MethodRules::Find(absl::string_view path) const {
  const auto found = rules_.find(path);
  return found == rules_.end() ? default_rule_ : found->second;
}

std::vector<std::string> MethodRules::MethodsOf(const std::vector<std::string>& services) const {
  std::set<std::string> methods;
  for (const std::string& name : services) {
    const std::string prefix = absl::StrCat("/", name, "/");
    for (const auto& [path, rule] : rules_) {
      if (absl::StartsWith(path, prefix)) methods.insert(path);
    }
    const ServiceDescriptor* service = DescriptorPool::generated_pool()->FindServiceByName(name);
    for (int i = 0; service != nullptr && i < service->method_count(); ++i) methods.insert(PathOf(*service->method(i)));
    const auto first = methods.lower_bound(prefix);
    if (first == methods.end() || !absl::StartsWith(*first, prefix)) methods.insert(prefix + "*");
  }
  return {methods.begin(), methods.end()};
}

}  // namespace watchword
