#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "google/protobuf/repeated_field.h"
#include "google/protobuf/timestamp.pb.h"
#include "server/store/records.h"
#include "watchword/token/jwk.h"
#include "watchword/v1/auth.pb.h"
#include "watchword/v1/trust.pb.h"

namespace watchword {

inline google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(absl::ToUnixSeconds(time));
  timestamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(timestamp.seconds()))));
  return timestamp;
}

inline absl::Time ToTime(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

inline void SetAll(const std::vector<std::string>& from, google::protobuf::RepeatedPtrField<std::string>& to) {
  to.Assign(from.begin(), from.end());
}

inline v1::PrincipalKind ToProto(PrincipalKind kind) {
  return kind == PrincipalKind::kServiceAccount ? v1::PRINCIPAL_KIND_SERVICE_ACCOUNT : v1::PRINCIPAL_KIND_USER;
}

inline v1::CredentialKind ToProto(SessionKind kind) {
  return kind == SessionKind::kSessionToken ? v1::CREDENTIAL_KIND_SESSION_TOKEN : v1::CREDENTIAL_KIND_ACCESS_TOKEN;
}

inline v1::Jwk ToProto(const Jwk& jwk) {
  v1::Jwk proto;
  proto.set_kty(jwk.kty);
  proto.set_kid(jwk.kid);
  proto.set_use(jwk.use);
  proto.set_alg(jwk.alg);
  proto.set_crv(jwk.crv);
  proto.set_x(jwk.x);
  proto.set_y(jwk.y);
  proto.set_n(jwk.n);
  proto.set_e(jwk.e);
  return proto;
}

}  // namespace watchword
