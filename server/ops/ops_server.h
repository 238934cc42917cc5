#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace watchword {

// The operations port: plain HTTP for those who run the service. Nothing on it is secret, and nothing can be changed
// through it.
//
//   GET /metrics                   Prometheus text format
//   GET /livez                     200 "ok", as long as the process answers
//   GET /readyz                    200 "ok", or 503 and one line that says why not
//   GET /.well-known/jwks.json     the public keys (RFC 7517)
//   GET /.well-known/openid-configuration
//                                  where they are and what they sign, for libraries and meshes that know the issuer
//                                  only (OpenID Connect Discovery 1.0 section 3, as far as it is about checking tokens)
//
// Two threads, one request per connection, a few seconds for all of it: no client can occupy a thread for longer.
//
// Thread-safe, but Stop is for one thread at a time.
class OpsServer {
 public:
  struct Options {
    // A name or an address, IPv6 without brackets. "::" takes IPv4 as well, and only that where there is no IPv6.
    std::string host;
    int port = 0;  // 0: any free one
    // What tokens name as their issuer. The discovery document says that the keys are below it, so it is complete only
    // if the issuer is a URL under which this port can be reached.
    std::string issuer;
    // Called on the server's threads until Stop returns; must not throw.
    std::function<std::string()> metrics;       // the body of /metrics
    std::function<absl::Status()> readiness;    // OK, or why not; the message is shown
    std::function<std::string()> jwks;          // the JWK Set; empty: not known yet, which is a 503
    absl::Duration timeout = absl::Seconds(3);  // for a request and its answer, from when a thread has taken it up
  };

  // Starts to serve. UNAVAILABLE, naming the address and the cause, if it cannot listen there.
  static absl::StatusOr<std::unique_ptr<OpsServer>> Start(Options options);

  // Stops, if Stop was not called.
  ~OpsServer();
  OpsServer(const OpsServer&) = delete;
  OpsServer& operator=(const OpsServer&) = delete;

  // The port it listens on.
  int port() const;

  // Refuses new connections and waits for requests under way.
  void Stop();

 private:
  class Impl;
  explicit OpsServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace watchword
