#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace watchword {

// The rule for one method, from its (watchword.v1.access) option.
struct MethodRule {
  bool allow_anonymous = false;
  std::vector<std::string> require_scopes;  // all of them
};

// The rule of every method that is linked into the program, by path ("/package.Service/Method"). A method without a
// rule, and one that is not known, needs a valid credential and nothing more. Health checks (grpc.health.v1) and
// reflection are anonymous.
//
// Immutable and thread-safe.
class MethodRules {
 public:
  // Reads the options of all services whose descriptors are linked in.
  static MethodRules FromLinkedServices();

  // The rule for `path`. Valid as long as this object.
  const MethodRule& Find(absl::string_view path) const;

 private:
  absl::flat_hash_map<std::string, MethodRule> rules_;
  MethodRule default_rule_;
};

}  // namespace watchword
