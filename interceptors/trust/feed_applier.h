#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "watchword/base/log.h"
#include "watchword/trust/trust_state.h"
#include "watchword/v1/trust.pb.h"

namespace watchword {

// Applies what the trust feed says to a TrustState, and sees when something is missing: the rules of the feed without
// its network. Nothing that was revoked is un-revoked by a snapshot, not even by one of a new epoch, so that a database
// restored from a backup lets nobody back in. Hence the parts of a snapshot are applied as they come, which can only
// refuse something earlier; kept until the last, ten million entries would take a gigabyte. Only the cursor moves at
// once, with the last part.
//
// A heartbeat makes what is known fresh only if nothing is missing, and only as of when it was sent.
//
// Thread-compatible: one stream at a time.
class FeedApplier {
 public:
  // Borrows both, which must outlive this.
  FeedApplier(TrustState& trust, Logger& log) : trust_(trust), log_(log) {}

  // Begins a new stream: forgets that a snapshot was half received, and returns the cursor to resume from, its
  // `verifier` empty.
  v1::Hello StartStream();

  // Applies the next message. DATA_LOSS if entries are missing or INVALID_ARGUMENT if the message breaks the rules of
  // the feed: then the stream must be dropped, and the next one resumes at what was applied. A bad key set is no reason
  // for that: it is refused whole and logged, and the old one stays.
  absl::Status Apply(const v1::WatchResponse& response);

  // What has been applied, all of it; nothing before the stream's own snapshot, entries or heartbeat have shown that
  // the cursor is of the server's epoch.
  std::optional<v1::Acknowledgement> acknowledgement() const;

  // What has been applied, but for the revocations themselves: what it takes to resume. std::nullopt before `ready`.
  struct State {
    v1::KeySet keys;
    std::string epoch;
    uint64_t seq = 0;
  };
  std::optional<State> state() const;

  // Whether keys and a first snapshot have been applied.
  bool ready() const { return trust_.keys_version() != 0; }

  // How late the last heartbeat of the stream came, compared with the one that was fastest. One that has waited in a
  // buffer, while this process was stopped or the network was slow, says what was so then, not now.
  absl::Duration delay() const { return delay_; }

  // The time by which revocations may be forgotten: what the auth service's clock showed last, or ours if that is
  // behind it; the infinite past before the first heartbeat. By our clock alone, setting it forward for a moment would
  // forget revocations for good whose tokens are accepted again once it is set back.
  absl::Time forgetting_time() const;

 private:
  void ApplyKeys(const v1::KeySet& keys);
  absl::Status ApplySnapshot(const v1::Snapshot& part);
  absl::Status ApplyRevocations(const v1::Revocations& revocations);
  absl::Status ApplyHeartbeat(const v1::Heartbeat& heartbeat);
  void NoteServerTime(const v1::Heartbeat& heartbeat);
  // Whether all is applied that the auth service has ever said there is.
  bool IsComplete() const { return following_ && !in_snapshot_ && last_seq_ >= newest_seq_; }

  TrustState& trust_;
  Logger& log_;
  // The keys, until the first snapshot is there as well: keys alone would let those in who were revoked before.
  std::optional<KeySet> waiting_keys_;
  v1::KeySet keys_;  // the newest that was good
  bool has_snapshot_ = false;
  std::string epoch_;
  uint64_t last_seq_ = 0;
  uint64_t newest_seq_ = 0;   // the highest of the epoch so far: if it is above `last_seq_`, the server is behind
  bool following_ = false;    // this stream has come to where the log goes on from the cursor
  bool in_snapshot_ = false;  // some parts have come, the last has not
  absl::Time server_time_ = absl::InfinitePast();
  std::optional<absl::Time> booted_at_;  // what the server's clock showed when we booted, by its fastest heartbeat
  absl::Duration heartbeat_at_;          // when the last one came, since boot
  absl::Duration delay_;
  bool clocks_differ_ = false;
  std::optional<uint64_t> behind_at_;  // `last_seq_` at the last heartbeat, if that was ahead of it
};

// Between the feed's form and ours.
Jwk ToJwk(const v1::Jwk& jwk);
v1::Revocation ToProto(const Revocation& revocation);

}  // namespace watchword
