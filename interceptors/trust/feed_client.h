#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "watchword/base/log.h"
#include "watchword/credentials/token_source.h"
#include "watchword/trust/reconnect_pause.h"
#include "watchword/trust/session_directory.h"
#include "watchword/trust/trust_state.h"

namespace grpc {
class ChannelInterface;
}

namespace watchword {

// Keeps a TrustState up to date from the auth service's trust feed (TrustService.Watch): connects, applies keys,
// snapshot and changes in order, reconnects with jitter and resumes where it was, and starts over when it sees a gap, a
// new epoch or two seconds of silence. What is known is kept while the service is away. Acknowledges what it has
// applied, and renews the stream with its newest credential, so that one of five minutes does not end it.
//
// Thread-safe. Uses no thread of its own beyond gRPC's and one for time-outs.
class FeedClient {
 public:
  struct Options {
    std::string verifier;  // this verifier's name, 1 to 255 visible ASCII characters
    // What it shows to the auth service, over TLS unless `allow_plaintext_tokens`; null if the channel itself does.
    std::shared_ptr<TokenSource> token_source;
    bool allow_plaintext_tokens = false;
    absl::Duration silence_limit = absl::Seconds(2);  // two heartbeats
    ReconnectPause::Limits pauses = {
        .min_backoff = absl::Milliseconds(100), .max_backoff = absl::Seconds(5), .spread = absl::Seconds(1)};
    absl::Duration renew_every = absl::Seconds(20);
    // Whose uses are reported; borrowed, must outlive the client. Null: nobody's.
    SessionDirectory* sessions = nullptr;
    absl::Duration report_every = absl::Seconds(5);
    // Where to keep what is known, and to start from; see snapshot_file.h. Empty: nowhere.
    std::string snapshot_file;
    std::string issuer;                      // that the file must name
    std::vector<std::string> snapshot_pins;  // thumbprints of keys to take from it; empty: all
    absl::Duration save_every = absl::Seconds(30);
  };

  // Starts. Borrows `trust` and `log`, which must outlive this.
  FeedClient(std::shared_ptr<grpc::ChannelInterface> channel, Options options, TrustState& trust, Logger& log);
  // Ends the stream and waits until nothing of it runs.
  ~FeedClient();
  FeedClient(const FeedClient&) = delete;
  FeedClient& operator=(const FeedClient&) = delete;

  // Waits until keys and the first snapshot are applied; false if that takes longer than `timeout`.
  bool WaitUntilReady(absl::Duration timeout);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace watchword
