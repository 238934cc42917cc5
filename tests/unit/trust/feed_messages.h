#pragma once

#include <string>
#include <vector>

#include "watchword/base/random.h"
#include "watchword/base/uuid.h"
#include "watchword/token/jwk.h"
#include "watchword/v1/trust.pb.h"

namespace watchword {

// Messages of the trust feed, as a server sends them around the FakeClock's first time.

inline Uuid NewSessionId() { return Uuid::NewV7(absl::FromUnixSeconds(1'800'000'000), SystemRandom()).value(); }

inline v1::Revocation SessionEntry(uint64_t seq, const Uuid& session) {
  v1::Revocation entry;
  entry.set_seq(seq);
  entry.set_session_id(session.ToString());
  entry.mutable_expires_at()->set_seconds(1'800'000'300);
  return entry;
}

inline v1::WatchResponse KeysMessage(const std::vector<Jwk>& jwks) {
  v1::WatchResponse response;
  v1::KeySet& keys = *response.mutable_keys();
  for (const Jwk& jwk : jwks) {
    v1::Jwk& key = *keys.add_keys();
    key.set_kty(jwk.kty);
    key.set_kid(jwk.kid);
    key.set_use(jwk.use);
    key.set_alg(jwk.alg);
    key.set_crv(jwk.crv);
    key.set_x(jwk.x);
    key.set_y(jwk.y);
    key.set_n(jwk.n);
    key.set_e(jwk.e);
  }
  return response;
}

inline v1::WatchResponse SnapshotMessage(const std::string& epoch, uint64_t seq,
                                         const std::vector<v1::Revocation>& entries, bool last = true) {
  v1::WatchResponse response;
  v1::Snapshot& snapshot = *response.mutable_snapshot();
  snapshot.set_epoch(epoch);
  snapshot.set_seq(seq);
  snapshot.mutable_revocations()->Add(entries.begin(), entries.end());
  snapshot.set_last(last);
  return response;
}

inline v1::WatchResponse RevocationsMessage(const std::vector<v1::Revocation>& entries) {
  v1::WatchResponse response;
  response.mutable_revocations()->mutable_revocations()->Add(entries.begin(), entries.end());
  return response;
}

inline v1::WatchResponse HeartbeatMessage(uint64_t head_seq) {
  v1::WatchResponse response;
  response.mutable_heartbeat()->set_head_seq(head_seq);
  return response;
}

inline v1::WatchResponse HeartbeatMessage(uint64_t head_seq, absl::Time server_time) {
  v1::WatchResponse response = HeartbeatMessage(head_seq);
  const int64_t nanos = absl::ToUnixNanos(server_time);
  response.mutable_heartbeat()->mutable_server_time()->set_seconds(nanos / 1'000'000'000);
  response.mutable_heartbeat()->mutable_server_time()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  return response;
}

}  // namespace watchword
