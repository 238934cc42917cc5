#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace watchword {

// What is done with a credential that is good as far as is known, while a revocation may have been missed.
enum class WhenStale { kAcceptUntilExpiry, kRefuse };

// Where a rule is from: nowhere, the method's (watchword.v1.access) option, the program, or this library.
enum class RuleOrigin { kNone, kOption, kProgram, kLibrary };

// The rule for one method.
struct MethodRule {
  bool allow_anonymous = false;
  std::vector<std::string> require_scopes;     // all of them
  std::vector<std::string> require_any_scope;  // at least one of them, if there are any
  std::string audience;                        // one of the gate's that the credential must be for; empty: any of them
  std::optional<WhenStale> when_stale;         // nothing: what the gate is set to
  bool require_bound = false;                  // to the caller's client certificate (RFC 8705)
  RuleOrigin origin = RuleOrigin::kNone;       // set by MethodRules

  // Whether it asks for anything of the caller: it cannot at the same time let everybody in.
  bool AsksForSomething() const {
    return !require_scopes.empty() || !require_any_scope.empty() || !audience.empty() || require_bound;
  }
};

// The rule of every method that is linked into the program, by path ("/package.Service/Method"). A method without a
// rule, and one that is not known, needs a valid credential and nothing more.
//
// Thread-compatible: thread-safe once it is no longer changed.
class MethodRules {
 public:
  // Reads the options of all services whose descriptors are linked in. Health checks (grpc.health.v1) and reflection
  // are anonymous.
  static MethodRules FromLinkedServices();

  // Sets the rule of a method, in place of any other. INVALID_ARGUMENT if `path` is not "/package.Service/Method" or
  // the rule contradicts itself.
  absl::Status Set(absl::string_view path, MethodRule rule);

  // Makes health checks and reflection methods without a rule.
  void CloseHealthAndReflection();

  // The rule for `path`. Valid as long as this object.
  const MethodRule& Find(absl::string_view path) const;

  // The methods of these services (full names) as paths in order: those that their descriptors name and those that have
  // a rule. A service of which neither is linked in counts as a method "/package.Service/*".
  std::vector<std::string> MethodsOf(const std::vector<std::string>& services) const;

 private:
  absl::flat_hash_map<std::string, MethodRule> rules_;
  MethodRule default_rule_;
};

}  // namespace watchword
