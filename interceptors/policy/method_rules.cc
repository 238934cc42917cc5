#include "watchword/policy/method_rules.h"

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

MethodRule RuleOf(const MethodDescriptor& method) {
  const v1::AccessRule& option = method.options().GetExtension(v1::access);
  MethodRule rule;
  rule.require_scopes.assign(option.require_scopes().begin(), option.require_scopes().end());
  // A rule that says both contradicts itself; the strict half counts.
  rule.allow_anonymous = option.allow_anonymous() && rule.require_scopes.empty();
  return rule;
}

void AddRules(const ServiceDescriptor& service, absl::flat_hash_map<std::string, MethodRule>& rules) {
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    if (!method.options().HasExtension(v1::access)) continue;
    rules.insert_or_assign(absl::StrCat("/", service.full_name(), "/", method.name()), RuleOf(method));
  }
}

}  // namespace

MethodRules MethodRules::FromLinkedServices() {
  MethodRules rules;
  for (const char* path : kAnonymousMethods) rules.rules_[path].allow_anonymous = true;

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

const MethodRule& MethodRules::Find(absl::string_view path) const {
  const auto found = rules_.find(path);
  return found == rules_.end() ? default_rule_ : found->second;
}

}  // namespace watchword
