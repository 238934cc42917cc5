#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "watchword/token/credential.h"

namespace grpc {
class ServerContextBase;
}

namespace watchword {

class Gate;

// Who calls: the verified principal behind the call that a handler is serving. Cheap to copy; immutable.
class Caller {
 public:
  // The caller of the call behind `context`, which must have come through a port of `gate`. It is looked up from the
  // call's own metadata: gRPC's auth context belongs to the connection, on which other people's calls travel too.
  //
  // Errors as the gate's: UNAUTHENTICATED if an anonymous call has no credential (TOKEN_MISSING) or a bad one, or if
  // the credential has expired or been revoked since the call began.
  static absl::StatusOr<Caller> From(const grpc::ServerContextBase& context, const Gate& gate);

  // The principal's stable id.
  const std::string& subject() const { return credential_->claims().subject; }
  // The principal's name; empty if the login did not ask for it to be told.
  const std::string& username() const { return credential_->claims().username; }
  const std::string& session_id() const { return credential_->claims().session_id; }
  const std::vector<std::string>& audiences() const { return credential_->claims().audiences; }
  const std::vector<std::string>& scopes() const { return credential_->claims().scopes; }
  // Who acts for the principal (RFC 8693 section 4.1), if the credential was given to somebody else for that; else
  // empty.
  const std::string& actor() const { return credential_->claims().actor; }
  absl::Time expires_at() const { return credential_->claims().expires_at; }
  bool HasScope(absl::string_view scope) const { return credential_->HasScope(scope); }

 private:
  explicit Caller(std::shared_ptr<const VerifiedCredential> credential) : credential_(std::move(credential)) {}
  std::shared_ptr<const VerifiedCredential> credential_;
};

}  // namespace watchword
